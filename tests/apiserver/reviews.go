package main

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// review serves a kind that is only ever created and never stored: the answer is in the reply.
type review struct {
	singular string
	empty    func() runtime.Object
	answer   func(ctx context.Context, who user.Info, object runtime.Object) error
}

var (
	_ rest.Creater              = &review{}
	_ rest.Scoper               = &review{}
	_ rest.SingularNameProvider = &review{}
)

func (r *review) New() runtime.Object     { return r.empty() }
func (r *review) Destroy()                {}
func (r *review) NamespaceScoped() bool   { return false }
func (r *review) GetSingularName() string { return r.singular }

func (r *review) Create(ctx context.Context, object runtime.Object, validate rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	who, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewBadRequest("the request has no user")
	}
	if validate != nil {
		if err := validate(ctx, object); err != nil {
			return nil, err
		}
	}
	if err := r.answer(ctx, who, object); err != nil {
		return nil, err
	}
	return object, nil
}

// accessReview answers a SelfSubjectAccessReview by asking the server's own authorizer.
func accessReview(allowed authorizer.Authorizer) rest.Storage {
	return &review{"selfsubjectaccessreview", func() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} },
		func(ctx context.Context, who user.Info, object runtime.Object) error {
			review := object.(*authorizationv1.SelfSubjectAccessReview)
			attributes := authorizer.AttributesRecord{User: who}
			switch spec := review.Spec; {
			case spec.ResourceAttributes != nil && spec.NonResourceAttributes == nil:
				a := spec.ResourceAttributes
				attributes.ResourceRequest = true
				attributes.Verb, attributes.Namespace, attributes.Name = a.Verb, a.Namespace, a.Name
				attributes.APIGroup, attributes.APIVersion = a.Group, a.Version
				attributes.Resource, attributes.Subresource = a.Resource, a.Subresource
			case spec.NonResourceAttributes != nil && spec.ResourceAttributes == nil:
				attributes.Verb, attributes.Path = spec.NonResourceAttributes.Verb, spec.NonResourceAttributes.Path
			default:
				return apierrors.NewBadRequest("exactly one of resourceAttributes and nonResourceAttributes must be set")
			}
			decision, reason, err := allowed.Authorize(ctx, attributes)
			review.Status = authorizationv1.SubjectAccessReviewStatus{
				Allowed: decision == authorizer.DecisionAllow, Denied: decision == authorizer.DecisionDeny, Reason: reason,
			}
			if err != nil {
				review.Status.EvaluationError = fmt.Sprint(err)
			}
			return nil
		}}
}

// subjectReview answers `kubectl auth whoami`.
func subjectReview() rest.Storage {
	return &review{"selfsubjectreview", func() runtime.Object { return &authenticationv1.SelfSubjectReview{} },
		func(_ context.Context, who user.Info, object runtime.Object) error {
			extra := map[string]authenticationv1.ExtraValue{}
			for key, value := range who.GetExtra() {
				extra[key] = value
			}
			object.(*authenticationv1.SelfSubjectReview).Status.UserInfo = authenticationv1.UserInfo{
				Username: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: extra,
			}
			return nil
		}}
}
