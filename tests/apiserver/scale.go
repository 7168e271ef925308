package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// scaleREST shows a deployment as an autoscaling/v1 Scale. Whoever scales owns spec.replicas of the deployment.
type scaleREST struct {
	store *registry.Store
	rest.TableConvertor
}

// replicasPath says where a Scale's replicas are in a deployment, for managedFields.
var replicasPath = managedfields.ResourcePathMappings{
	appsv1.SchemeGroupVersion.String(): fieldpath.MakePathOrDie("spec", "replicas"),
}

func (r *scaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

func (r *scaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy leaves the store alone: it belongs to the deployments.
func (r *scaleREST) Destroy() {}

func (r *scaleREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	object, err := r.store.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return scaleOf(object.(*appsv1.Deployment))
}

func (r *scaleREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc,
	_ rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	object, _, err := r.store.Update(ctx, name, scaled{name, info}, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, options)
	if err != nil {
		return nil, false, err
	}
	scale, err := scaleOf(object.(*appsv1.Deployment))
	return scale, false, err
}

// scaled turns an update of a Scale into one of its deployment.
type scaled struct {
	name string
	info rest.UpdatedObjectInfo
}

func (s scaled) Preconditions() *metav1.Preconditions { return s.info.Preconditions() }

func (s scaled) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	deployment := old.DeepCopyObject().(*appsv1.Deployment)
	if deployment.ResourceVersion == "" {
		return nil, apierrors.NewNotFound(appsv1.Resource("deployments/scale"), s.name)
	}
	before, err := scaleOf(deployment)
	if err != nil {
		return nil, err
	}
	fields := managedfields.NewScaleHandler(deployment.ManagedFields, appsv1.SchemeGroupVersion, replicasPath)
	if before.ManagedFields, err = fields.ToSubresource(); err != nil {
		return nil, err
	}
	object, err := s.info.UpdatedObject(ctx, before)
	if err != nil {
		return nil, err
	}
	scale, ok := object.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a Scale, got %T", object))
	}
	if scale.Spec.Replicas < 0 {
		return nil, apierrors.NewBadRequest("spec.replicas must not be negative")
	}
	if deployment.ManagedFields, err = fields.ToParent(scale.ManagedFields); err != nil {
		return nil, err
	}
	deployment.ResourceVersion = scale.ResourceVersion
	deployment.Spec.Replicas = &scale.Spec.Replicas
	return deployment, nil
}

func scaleOf(deployment *appsv1.Deployment) (*autoscalingv1.Scale, error) {
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return nil, err
	}
	scale := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name: deployment.Name, Namespace: deployment.Namespace, UID: deployment.UID,
			ResourceVersion: deployment.ResourceVersion, CreationTimestamp: deployment.CreationTimestamp,
		},
		Status: autoscalingv1.ScaleStatus{Replicas: deployment.Status.Replicas, Selector: selector.String()},
	}
	if deployment.Spec.Replicas != nil {
		scale.Spec.Replicas = *deployment.Spec.Replicas
	}
	return scale, nil
}
