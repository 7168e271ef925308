package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// eventTTL is how long an Event is kept, in seconds: kube-apiserver's --event-ttl default.
const eventTTL = 3600

// mainREST serves a kind; its methods are those of the generic store.
type mainREST struct {
	*registry.Store
	row *resource
}

func (r *mainREST) ShortNames() []string { return r.row.short }

func (r *mainREST) Categories() []string {
	if r.row.all {
		return []string{"all"}
	}
	return nil
}

// newStore makes the store of one kind. Two rows of one Go type (events) must share what this returns.
func newStore(row *resource, options generic.RESTOptionsGetter) (*registry.Store, error) {
	base := strategy{scheme, names.SimpleNameGenerator, row}
	columns, err := columnsOf(row)
	if err != nil {
		return nil, err
	}
	store := &registry.Store{
		NewFunc:                   row.newEmpty,
		NewListFunc:               row.newList,
		DefaultQualifiedResource:  row.version.WithResource(row.plural).GroupResource(),
		SingularQualifiedResource: row.version.WithResource(row.singular()).GroupResource(),
		CreateStrategy:            base,
		UpdateStrategy:            base,
		DeleteStrategy:            base,
		ResetFieldsStrategy:       base,
		TableConvertor:            columns,
	}
	storeOptions := &generic.StoreOptions{RESTOptions: options, AttrFunc: attributes(row)}
	switch row.kind {
	case "Event":
		store.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return eventTTL, nil }
	case "Namespace":
		store.ShouldDeleteDuringUpdate = func(ctx context.Context, key string, obj, existing runtime.Object) bool {
			return len(obj.(*corev1.Namespace).Spec.Finalizers) == 0 && registry.ShouldDeleteDuringUpdate(ctx, key, obj, existing)
		}
	case "Pod":
		store.DeleteStrategy = podStrategy{base}
		store.ReturnDeletedObject = true
		node := podFields["spec.nodeName"]
		storeOptions.TriggerFunc = storage.IndexerFuncs{"spec.nodeName": storage.IndexerFunc(node)}
		storeOptions.Indexers = &cache.Indexers{storage.FieldIndex("spec.nodeName"): func(obj any) ([]string, error) {
			return []string{node(obj.(*corev1.Pod))}, nil
		}}
	}
	if err := store.CompleteWithOptions(storeOptions); err != nil {
		return nil, fmt.Errorf("storage of %s: %w", row.plural, err)
	}
	return store, nil
}

func attributes(row *resource) storage.AttrFunc {
	return func(obj runtime.Object) (labels.Set, fields.Set, error) {
		object := accessor(obj)
		values := fields.Set{"metadata.name": object.GetName()}
		if !row.cluster {
			values["metadata.namespace"] = object.GetNamespace()
		}
		for label, read := range row.fields {
			values[label] = read(obj)
		}
		return labels.Set(object.GetLabels()), values, nil
	}
}

func columnsOf(row *resource) (rest.TableConvertor, error) {
	var columns []apiextensionsv1.CustomResourceColumnDefinition
	for _, column := range strings.Fields(row.columns + " Age:date:.metadata.creationTimestamp") {
		parts := strings.SplitN(column, ":", 3)
		columns = append(columns, apiextensionsv1.CustomResourceColumnDefinition{Name: parts[0], Type: parts[1], JSONPath: parts[2]})
	}
	return tableconvertor.New(columns)
}

// subREST serves a subresource that is an update of the same object by another strategy: /status, and /finalize.
type subREST struct {
	store *registry.Store
	rest.TableConvertor
	resets map[fieldpath.APIVersion]*fieldpath.Set
}

func newStatusREST(store *registry.Store, row *resource) *subREST {
	update := statusStrategy{strategy{scheme, names.SimpleNameGenerator, row}}
	return newSubREST(store, update, update.GetResetFields())
}

func newSubREST(store *registry.Store, update rest.RESTUpdateStrategy, resets map[fieldpath.APIVersion]*fieldpath.Set) *subREST {
	other := *store
	other.UpdateStrategy = update
	return &subREST{&other, store.TableConvertor, resets}
}

func (r *subREST) New() runtime.Object { return r.store.New() }

// Destroy leaves the store alone: it belongs to the main resource.
func (r *subREST) Destroy() {}

func (r *subREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update never creates: server-side apply on a subresource of a missing object must fail.
func (r *subREST) Update(ctx context.Context, name string, object rest.UpdatedObjectInfo, create rest.ValidateObjectFunc,
	update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, object, create, update, false, options)
}

func (r *subREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set { return r.resets }

// namespaceREST deletes in two steps, as kube-apiserver: first the namespace is Terminating, and it is removed once its
// finalizers are gone, which here the emptier sees to.
type namespaceREST struct{ mainREST }

// finalizeStrategy may change spec.finalizers, which the main resource may not.
type finalizeStrategy struct{ statusStrategy }

func (finalizeStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	obj.(*corev1.Namespace).Status = old.(*corev1.Namespace).Status
}

func newFinalizeREST(store *registry.Store, row *resource) *subREST {
	return newSubREST(store, finalizeStrategy{statusStrategy{strategy{scheme, names.SimpleNameGenerator, row}}}, nil)
}

// Delete marks the namespace as Terminating; it removes it only if nothing holds it any more.
func (r *namespaceREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	object, err := r.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	if options == nil {
		options = metav1.NewDeleteOptions(0)
	}
	preconditions := storage.Preconditions{}
	if options.Preconditions != nil {
		preconditions = storage.Preconditions{UID: options.Preconditions.UID, ResourceVersion: options.Preconditions.ResourceVersion}
	}
	namespace := object.(*corev1.Namespace)
	if namespace.DeletionTimestamp != nil && len(namespace.Spec.Finalizers) == 0 {
		return r.Store.Delete(ctx, name, validate, options)
	}

	key, err := r.KeyFunc(ctx, name)
	if err != nil {
		return nil, false, err
	}
	out := r.New()
	err = r.Storage.GuaranteedUpdate(ctx, key, out, false, &preconditions, storage.SimpleUpdate(func(existing runtime.Object) (runtime.Object, error) {
		if err := validate(ctx, existing); err != nil {
			return nil, err
		}
		namespace := existing.(*corev1.Namespace)
		if namespace.DeletionTimestamp == nil {
			now := metav1.Now()
			namespace.DeletionTimestamp = &now
		}
		namespace.Status.Phase = corev1.NamespaceTerminating
		return namespace, nil
	}), dryrun.IsDryRun(options.DryRun), nil)
	if err == nil {
		return out, false, nil
	}
	resource := r.DefaultQualifiedResource
	switch {
	case storage.IsNotFound(err):
		return nil, false, apierrors.NewNotFound(resource, name)
	case storage.IsInvalidObj(err), storage.IsConflict(err):
		return nil, false, apierrors.NewConflict(resource, name, err)
	}
	return nil, false, err
}
