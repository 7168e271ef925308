package main

import (
	"context"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// strategy is what every built-in kind does on a write: a create and a main update cannot set the status, and the
// generation counts changes outside metadata and status. Specs are not validated.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	row *resource
}

// podStrategy adds graceful deletion, which only pods have.
type podStrategy struct{ strategy }

// statusStrategy is an update that can change the status alone.
type statusStrategy struct{ strategy }

var (
	_ rest.RESTCreateStrategy         = strategy{}
	_ rest.RESTUpdateStrategy         = strategy{}
	_ rest.RESTGracefulDeleteStrategy = podStrategy{}
	_ rest.RESTUpdateStrategy         = statusStrategy{}
)

func (s strategy) NamespaceScoped() bool { return !s.row.cluster }

func (s strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	// A node is the exception upstream too: its status may be given when it is created.
	if s.row.status && s.row.kind != "Node" {
		part(obj, "Status").SetZero()
	}
	switch o := obj.(type) {
	case *corev1.Namespace:
		o.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
		if !slices.Contains(o.Spec.Finalizers, corev1.FinalizerKubernetes) {
			o.Spec.Finalizers = append(o.Spec.Finalizers, corev1.FinalizerKubernetes)
		}
	case *corev1.Pod:
		o.Status.Phase = corev1.PodPending
	}
	if s.row.counted {
		accessor(obj).SetGeneration(1)
	}
}

func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	if s.row.status || s.row.kind == "Namespace" {
		part(obj, "Status").Set(part(old, "Status"))
	}
	if o, ok := obj.(*corev1.Namespace); ok {
		o.Spec.Finalizers = old.(*corev1.Namespace).Spec.Finalizers
	}
	if !s.row.counted {
		return
	}
	generation := accessor(old).GetGeneration()
	if s.changed(obj, old) {
		generation++
	}
	accessor(obj).SetGeneration(generation)
}

// changed says whether anything differs outside of type, metadata and status.
func (s strategy) changed(obj, old runtime.Object) bool {
	a, b := reflect.ValueOf(obj).Elem(), reflect.ValueOf(old).Elem()
	for i := range a.NumField() {
		switch a.Type().Field(i).Name {
		case "TypeMeta", "ObjectMeta", "Status":
		default:
			if !equality.Semantic.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
				return true
			}
		}
	}
	return false
}

func (s strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return s.validateMeta(obj)
}

// ValidateUpdate needs nothing more: rest.BeforeUpdate checks that metadata only changes as it may.
func (s strategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}

func (s strategy) validateMeta(obj runtime.Object) field.ErrorList {
	check := validation.NameIsDNSSubdomain
	switch {
	case s.row.anyName:
		check = path.ValidatePathSegmentName
	case s.row.label:
		check = validation.NameIsDNSLabel
	}
	return validation.ValidateObjectMetaAccessor(accessor(obj), !s.row.cluster, check, field.NewPath("metadata"))
}

func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

func (strategy) Canonicalize(runtime.Object) {}

func (s strategy) AllowCreateOnUpdate() bool { return s.row.upsert }

func (s strategy) AllowUnconditionalUpdate() bool { return !s.row.guarded }

// GetResetFields keeps the status out of managedFields of whoever writes the main resource.
func (s strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.resets(s.row.status, "status")
}

func (s strategy) resets(any bool, name string) map[fieldpath.APIVersion]*fieldpath.Set {
	if !any {
		return nil
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(s.row.version.String()): fieldpath.NewSet(fieldpath.MakePathOrDie(name)),
	}
}

// CheckGracefulDelete is kube-apiserver's rule for pods: a pod that runs nowhere, or has ended, goes at once.
func (podStrategy) CheckGracefulDelete(_ context.Context, obj runtime.Object, options *metav1.DeleteOptions) bool {
	if options == nil {
		return false
	}
	pod := obj.(*corev1.Pod)
	period := int64(0)
	switch {
	case options.GracePeriodSeconds != nil:
		period = *options.GracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		period = *pod.Spec.TerminationGracePeriodSeconds
	}
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		period = 0
	}
	if period < 0 {
		period = 1
	}
	options.GracePeriodSeconds = &period
	return true
}

func (s statusStrategy) AllowCreateOnUpdate() bool { return false }

func (s statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	a, b := reflect.ValueOf(obj).Elem(), reflect.ValueOf(old).Elem()
	for i := range a.NumField() {
		switch a.Type().Field(i).Name {
		case "TypeMeta", "ObjectMeta", "Status":
		default:
			a.Field(i).Set(b.Field(i))
		}
	}
	accessor(obj).SetGeneration(accessor(old).GetGeneration())
	accessor(obj).SetDeletionTimestamp(accessor(old).GetDeletionTimestamp())
	accessor(obj).SetOwnerReferences(accessor(old).GetOwnerReferences())
}

func (s statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.resets(true, "spec")
}

// part is a top-level field of an object, invalid where the kind has none of that name.
func part(obj runtime.Object, name string) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName(name)
}

// accessor cannot fail: every kind in the table has ObjectMeta.
func accessor(obj runtime.Object) metav1.Object {
	object, err := meta.Accessor(obj)
	if err != nil {
		panic(err)
	}
	return object
}
