package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdinformers "k8s.io/apiextensions-apiserver/pkg/client/informers/externalversions"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// emptyEvery is how often a terminating namespace is looked at again while something in it remains.
const emptyEvery = 200 * time.Millisecond

// addControllers adds the three loops without which the API would not behave as a cluster's: the first objects, custom
// groups in plain discovery, and namespaces that empty themselves. There are no others.
func addControllers(server *genericapiserver.GenericAPIServer, crds crdinformers.SharedInformerFactory, factory informers.SharedInformerFactory) error {
	definitions := crds.Apiextensions().V1().CustomResourceDefinitions()
	groups := &groupPublisher{server: server, taken: builtinGroups(), published: sets.New[string]()}
	publish := func(any) { groups.publish(definitions.Informer().GetStore()) }
	_, err := definitions.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: publish, UpdateFunc: func(_, now any) { publish(now) }, DeleteFunc: publish,
	})
	if err != nil {
		return err
	}
	// Requested here so that the factory starts it; the hook below reads its lister.
	namespaces := factory.Core().V1().Namespaces()
	namespaces.Informer()
	if err := server.AddPostStartHook("weir-bootstrap", func(hook genericapiserver.PostStartHookContext) error {
		return bootstrap(hook, hook.LoopbackClientConfig)
	}); err != nil {
		return err
	}
	return server.AddPostStartHook("weir-namespaces", func(hook genericapiserver.PostStartHookContext) error {
		emptier, err := newEmptier(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		go wait.UntilWithContext(hook, func(ctx context.Context) {
			all, err := namespaces.Lister().List(labels.Everything())
			if err != nil {
				klog.ErrorS(err, "listing namespaces")
			}
			for _, namespace := range all {
				if namespace.DeletionTimestamp == nil {
					continue
				}
				if err := emptier.empty(ctx, namespace.Name); err != nil {
					klog.ErrorS(err, "emptying a namespace", "namespace", namespace.Name)
				}
			}
		}, emptyEvery)
		return nil
	})
}

// bootstrap makes what every cluster has: four namespaces, cluster-admin, and discovery for whoever is authenticated. It
// is part of /readyz, so a test never sees a server without them.
func bootstrap(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, emptyEvery/4, true, func(ctx context.Context) (bool, error) {
		if err := firstObjects(ctx, client); err != nil {
			klog.V(2).InfoS("bootstrap is tried again", "err", err)
			return false, nil
		}
		return true, nil
	})
}

func firstObjects(ctx context.Context, client kubernetes.Interface) error {
	var failed error
	note := func(err error) {
		if err != nil && !apierrors.IsAlreadyExists(err) && failed == nil {
			failed = err
		}
	}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease} {
		_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		note(err)
	}
	roles := []struct {
		name, group string
		rules       []rbacv1.PolicyRule
	}{
		{"cluster-admin", user.SystemPrivilegedGroup, []rbacv1.PolicyRule{
			{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}},
			{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}},
		}},
		{"system:discovery", user.AllAuthenticated, []rbacv1.PolicyRule{
			{Verbs: []string{"get"}, NonResourceURLs: []string{"/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"}},
		}},
		{"system:basic-user", user.AllAuthenticated, []rbacv1.PolicyRule{
			{Verbs: []string{"create"}, APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"selfsubjectaccessreviews"}},
			{Verbs: []string{"create"}, APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"selfsubjectreviews"}},
		}},
	}
	for _, role := range roles {
		meta := metav1.ObjectMeta{Name: role.name}
		_, err := client.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: role.rules}, metav1.CreateOptions{})
		note(err)
		_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: role.group}},
		}, metav1.CreateOptions{})
		note(err)
	}
	return failed
}

// groupPublisher keeps the groups of custom resources in plain `/apis`. The machinery does so for aggregated discovery
// only; in kube-apiserver the rest is the aggregator's work. Its method is called from one informer's goroutine.
type groupPublisher struct {
	server    *genericapiserver.GenericAPIServer
	taken     sets.Set[string]
	published sets.Set[string]
}

func (p *groupPublisher) publish(store cache.Store) {
	versions := map[string]sets.Set[string]{}
	for _, item := range store.List() {
		definition := item.(*apiextensionsv1.CustomResourceDefinition)
		if p.taken.Has(definition.Spec.Group) || !established(definition) {
			continue
		}
		if versions[definition.Spec.Group] == nil {
			versions[definition.Spec.Group] = sets.New[string]()
		}
		for _, v := range definition.Spec.Versions {
			if v.Served {
				versions[definition.Spec.Group].Insert(v.Name)
			}
		}
	}
	for name, served := range versions {
		if served.Len() > 0 {
			p.server.DiscoveryGroupManager.AddGroup(plainGroup(name, newestFirst(served)))
			p.published.Insert(name)
		}
	}
	for name := range p.published {
		if versions[name].Len() == 0 {
			p.server.DiscoveryGroupManager.RemoveGroup(name)
			p.published.Delete(name)
		}
	}
}

func established(definition *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range definition.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue
		}
	}
	return false
}

// newestFirst orders versions as Kubernetes does: v2, v1, v1beta1.
func newestFirst(versions sets.Set[string]) []string {
	names := versions.UnsortedList()
	for i := range names {
		for j := i; j > 0 && version.CompareKubeAwareVersionStrings(names[j], names[j-1]) > 0; j-- {
			names[j], names[j-1] = names[j-1], names[j]
		}
	}
	return names
}

// emptier deletes what is in a terminating namespace, then lets the namespace go.
type emptier struct {
	kube     kubernetes.Interface
	found    discovery.DiscoveryInterface
	metadata metadata.Interface
}

func newEmptier(config *rest.Config) (*emptier, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &emptier{kube, kube.Discovery(), objects}, nil
}

// empty is one attempt; it ends without an error when something remains that finalizers hold.
func (e *emptier) empty(ctx context.Context, namespace string) error {
	lists, err := e.found.ServerPreferredNamespacedResources()
	if err != nil {
		return fmt.Errorf("finding what can be in a namespace: %w", err)
	}
	remaining := 0
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "deletecollection"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, resource := range list.APIResources {
			objects := e.metadata.Resource(version.WithResource(resource.Name)).Namespace(namespace)
			at := int64(0)
			if err := objects.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &at}, metav1.ListOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("deleting %s: %w", resource.Name, err)
			}
			left, err := objects.List(ctx, metav1.ListOptions{Limit: 1})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("listing %s: %w", resource.Name, err)
			}
			if err == nil {
				remaining += len(left.Items)
			}
		}
	}
	if remaining > 0 {
		return nil
	}
	current, err := e.kube.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	current.Spec.Finalizers = nil
	_, err = e.kube.CoreV1().Namespaces().Finalize(ctx, current, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
