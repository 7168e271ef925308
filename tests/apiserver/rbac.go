package main

import (
	"context"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/informers"
	listers "k8s.io/client-go/listers/rbac/v1"
)

// rbac allows what roles and bindings say, from informer caches: a new binding counts a few milliseconds after it was
// made, as on a cluster. Aggregated cluster roles are not computed.
type rbac struct {
	roles               listers.RoleLister
	roleBindings        listers.RoleBindingLister
	clusterRoles        listers.ClusterRoleLister
	clusterRoleBindings listers.ClusterRoleBindingLister
}

func newRBAC(factory informers.SharedInformerFactory) *rbac {
	v1 := factory.Rbac().V1()
	return &rbac{v1.Roles().Lister(), v1.RoleBindings().Lister(), v1.ClusterRoles().Lister(), v1.ClusterRoleBindings().Lister()}
}

// Authorize never denies: it allows, or has no opinion, which ends as a 403 with the default words.
func (r *rbac) Authorize(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	bindings, err := r.clusterRoleBindings.List(labels.Everything())
	if err != nil {
		return authorizer.DecisionNoOpinion, "", err
	}
	for _, binding := range bindings {
		if bound(binding.Subjects, "", attributes.GetUser()) && anyRule(r.rules("", binding.RoleRef), attributes) {
			return authorizer.DecisionAllow, "RBAC: allowed by ClusterRoleBinding " + binding.Name, nil
		}
	}
	namespace := attributes.GetNamespace()
	if namespace == "" || !attributes.IsResourceRequest() {
		return authorizer.DecisionNoOpinion, "", nil
	}
	local, err := r.roleBindings.RoleBindings(namespace).List(labels.Everything())
	if err != nil {
		return authorizer.DecisionNoOpinion, "", err
	}
	for _, binding := range local {
		if bound(binding.Subjects, namespace, attributes.GetUser()) && anyRule(r.rules(namespace, binding.RoleRef), attributes) {
			return authorizer.DecisionAllow, "RBAC: allowed by RoleBinding " + namespace + "/" + binding.Name, nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// rules of the role a binding names; none if the role does not exist (yet).
func (r *rbac) rules(namespace string, ref rbacv1.RoleRef) []rbacv1.PolicyRule {
	if ref.Kind == "Role" {
		if role, err := r.roles.Roles(namespace).Get(ref.Name); err == nil {
			return role.Rules
		}
		return nil
	}
	if role, err := r.clusterRoles.Get(ref.Name); err == nil {
		return role.Rules
	}
	return nil
}

func bound(subjects []rbacv1.Subject, namespace string, who user.Info) bool {
	return slices.ContainsFunc(subjects, func(subject rbacv1.Subject) bool {
		switch subject.Kind {
		case rbacv1.UserKind:
			return subject.Name == who.GetName()
		case rbacv1.GroupKind:
			return slices.Contains(who.GetGroups(), subject.Name)
		case rbacv1.ServiceAccountKind:
			home := subject.Namespace
			if home == "" {
				home = namespace
			}
			return home != "" && serviceaccount.MatchesUsername(home, subject.Name, who.GetName())
		}
		return false
	})
}

func anyRule(rules []rbacv1.PolicyRule, attributes authorizer.Attributes) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool { return allows(&rule, attributes) })
}

func allows(rule *rbacv1.PolicyRule, attributes authorizer.Attributes) bool {
	if !has(rule.Verbs, attributes.GetVerb()) {
		return false
	}
	if !attributes.IsResourceRequest() {
		return slices.ContainsFunc(rule.NonResourceURLs, func(url string) bool {
			prefix, open := strings.CutSuffix(url, "*")
			return url == attributes.GetPath() || open && strings.HasPrefix(attributes.GetPath(), prefix)
		})
	}
	resource, sub := attributes.GetResource(), attributes.GetSubresource()
	matches := has(rule.Resources, resource)
	if sub != "" {
		matches = slices.Contains(rule.Resources, rbacv1.ResourceAll) ||
			slices.Contains(rule.Resources, resource+"/"+sub) || slices.Contains(rule.Resources, "*/"+sub)
	}
	named := len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, attributes.GetName())
	return matches && named && has(rule.APIGroups, attributes.GetAPIGroup())
}

// has also accepts the star that stands for all.
func has(list []string, value string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, value)
}
