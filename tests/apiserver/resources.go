package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fieldValue reads what a field selector compares.
type fieldValue func(runtime.Object) string

// resource is one built-in kind: everything in which kinds differ here. What is true of all of them is in strategy.go.
type resource struct {
	version  schema.GroupVersion
	kind     string
	plural   string
	short    []string
	all      bool // in the category `all`
	cluster  bool // not in a namespace
	status   bool // has the subresource /status
	scale    bool // has the subresource /scale
	counted  bool // keeps metadata.generation
	upsert   bool // PUT creates what does not exist, as upstream
	guarded  bool // PUT needs a resourceVersion
	anyName  bool // names need only be a path segment (RBAC), not a DNS name
	label    bool // names must be DNS labels
	columns  string
	fields   map[string]fieldValue
	newEmpty func() runtime.Object
	newList  func() runtime.Object
}

// typed fills in the constructors from two example values.
func typed[T, L any, PT interface {
	*T
	runtime.Object
}, PL interface {
	*L
	runtime.Object
}](row resource) resource {
	row.newEmpty = func() runtime.Object { return PT(new(T)) }
	row.newList = func() runtime.Object { return PL(new(L)) }
	return row
}

// singular is the kind in lower case, which holds for every built-in kind.
func (r *resource) singular() string { return strings.ToLower(r.kind) }

// known lists further field labels for an error message.
func known(fields map[string]fieldValue) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, fmt.Sprintf(", %q", name))
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

// resources are the built-in kinds. Columns are `name:type:JSON path`, separated by spaces; `Name` and `Age` are implied.
var resources = []resource{
	typed[corev1.Namespace, corev1.NamespaceList](resource{version: corev1.SchemeGroupVersion, kind: "Namespace", plural: "namespaces",
		short: []string{"ns"}, cluster: true, label: true, columns: "Status:string:.status.phase",
		fields: map[string]fieldValue{"status.phase": func(o runtime.Object) string { return string(o.(*corev1.Namespace).Status.Phase) }}}),
	typed[corev1.Node, corev1.NodeList](resource{version: corev1.SchemeGroupVersion, kind: "Node", plural: "nodes",
		short: []string{"no"}, cluster: true, status: true, columns: "Unschedulable:boolean:.spec.unschedulable Version:string:.status.nodeInfo.kubeletVersion",
		fields: map[string]fieldValue{"spec.unschedulable": func(o runtime.Object) string { return strconv.FormatBool(o.(*corev1.Node).Spec.Unschedulable) }}}),
	typed[corev1.Pod, corev1.PodList](resource{version: corev1.SchemeGroupVersion, kind: "Pod", plural: "pods",
		short: []string{"po"}, all: true, status: true, counted: true, columns: "Status:string:.status.phase Node:string:.spec.nodeName", fields: podFields}),
	typed[corev1.Service, corev1.ServiceList](resource{version: corev1.SchemeGroupVersion, kind: "Service", plural: "services",
		short: []string{"svc"}, all: true, status: true, upsert: true, label: true, columns: "Type:string:.spec.type Cluster-IP:string:.spec.clusterIP"}),
	typed[corev1.ConfigMap, corev1.ConfigMapList](resource{version: corev1.SchemeGroupVersion, kind: "ConfigMap", plural: "configmaps", short: []string{"cm"}}),
	typed[corev1.Secret, corev1.SecretList](resource{version: corev1.SchemeGroupVersion, kind: "Secret", plural: "secrets", columns: "Type:string:.type",
		fields: map[string]fieldValue{"type": func(o runtime.Object) string { return string(o.(*corev1.Secret).Type) }}}),
	typed[corev1.ServiceAccount, corev1.ServiceAccountList](resource{version: corev1.SchemeGroupVersion, kind: "ServiceAccount", plural: "serviceaccounts", short: []string{"sa"}}),
	typed[corev1.Endpoints, corev1.EndpointsList](resource{version: corev1.SchemeGroupVersion, kind: "Endpoints", plural: "endpoints", short: []string{"ep"}, upsert: true}),
	typed[corev1.PersistentVolumeClaim, corev1.PersistentVolumeClaimList](resource{version: corev1.SchemeGroupVersion, kind: "PersistentVolumeClaim", plural: "persistentvolumeclaims",
		short: []string{"pvc"}, status: true, columns: "Status:string:.status.phase Volume:string:.spec.volumeName"}),
	typed[corev1.PersistentVolume, corev1.PersistentVolumeList](resource{version: corev1.SchemeGroupVersion, kind: "PersistentVolume", plural: "persistentvolumes",
		short: []string{"pv"}, cluster: true, status: true, columns: "Status:string:.status.phase"}),
	typed[corev1.Event, corev1.EventList](resource{version: corev1.SchemeGroupVersion, kind: "Event", plural: "events", short: []string{"ev"}, upsert: true,
		columns: "Type:string:.type Reason:string:.reason Object:string:.involvedObject.name Message:string:.message", fields: eventFields}),

	typed[appsv1.Deployment, appsv1.DeploymentList](resource{version: appsv1.SchemeGroupVersion, kind: "Deployment", plural: "deployments",
		short: []string{"deploy"}, all: true, status: true, scale: true, counted: true, columns: "Desired:integer:.spec.replicas Ready:integer:.status.readyReplicas"}),
	typed[appsv1.ReplicaSet, appsv1.ReplicaSetList](resource{version: appsv1.SchemeGroupVersion, kind: "ReplicaSet", plural: "replicasets",
		short: []string{"rs"}, all: true, status: true, counted: true, columns: "Desired:integer:.spec.replicas Ready:integer:.status.readyReplicas"}),
	typed[appsv1.DaemonSet, appsv1.DaemonSetList](resource{version: appsv1.SchemeGroupVersion, kind: "DaemonSet", plural: "daemonsets",
		short: []string{"ds"}, all: true, status: true, counted: true, columns: "Desired:integer:.status.desiredNumberScheduled Ready:integer:.status.numberReady"}),
	typed[appsv1.StatefulSet, appsv1.StatefulSetList](resource{version: appsv1.SchemeGroupVersion, kind: "StatefulSet", plural: "statefulsets",
		short: []string{"sts"}, all: true, status: true, counted: true, columns: "Desired:integer:.spec.replicas Ready:integer:.status.readyReplicas"}),

	typed[batchv1.Job, batchv1.JobList](resource{version: batchv1.SchemeGroupVersion, kind: "Job", plural: "jobs", all: true, status: true, counted: true,
		columns: "Completions:integer:.spec.completions Succeeded:integer:.status.succeeded",
		fields:  map[string]fieldValue{"status.successful": func(o runtime.Object) string { return strconv.Itoa(int(o.(*batchv1.Job).Status.Succeeded)) }}}),
	typed[batchv1.CronJob, batchv1.CronJobList](resource{version: batchv1.SchemeGroupVersion, kind: "CronJob", plural: "cronjobs", short: []string{"cj"},
		all: true, status: true, counted: true, columns: "Schedule:string:.spec.schedule Suspend:boolean:.spec.suspend"}),

	typed[coordinationv1.Lease, coordinationv1.LeaseList](resource{version: coordinationv1.SchemeGroupVersion, kind: "Lease", plural: "leases",
		upsert: true, guarded: true, columns: "Holder:string:.spec.holderIdentity"}),
	// events.k8s.io shares its store, and its Go type inside the server, with core/v1 Event.
	typed[corev1.Event, corev1.EventList](resource{version: eventsv1.SchemeGroupVersion, kind: "Event", plural: "events", short: []string{"ev"}, upsert: true, fields: eventFields}),
	typed[discoveryv1.EndpointSlice, discoveryv1.EndpointSliceList](resource{version: discoveryv1.SchemeGroupVersion, kind: "EndpointSlice", plural: "endpointslices",
		counted: true, columns: "AddressType:string:.addressType"}),
	typed[networkingv1.Ingress, networkingv1.IngressList](resource{version: networkingv1.SchemeGroupVersion, kind: "Ingress", plural: "ingresses",
		short: []string{"ing"}, status: true, counted: true, columns: "Class:string:.spec.ingressClassName"}),
	typed[networkingv1.NetworkPolicy, networkingv1.NetworkPolicyList](resource{version: networkingv1.SchemeGroupVersion, kind: "NetworkPolicy", plural: "networkpolicies",
		short: []string{"netpol"}, counted: true}),
	typed[policyv1.PodDisruptionBudget, policyv1.PodDisruptionBudgetList](resource{version: policyv1.SchemeGroupVersion, kind: "PodDisruptionBudget", plural: "poddisruptionbudgets",
		short: []string{"pdb"}, status: true, counted: true, guarded: true}),
	typed[schedulingv1.PriorityClass, schedulingv1.PriorityClassList](resource{version: schedulingv1.SchemeGroupVersion, kind: "PriorityClass", plural: "priorityclasses",
		short: []string{"pc"}, cluster: true, columns: "Value:integer:.value"}),
	typed[storagev1.StorageClass, storagev1.StorageClassList](resource{version: storagev1.SchemeGroupVersion, kind: "StorageClass", plural: "storageclasses",
		short: []string{"sc"}, cluster: true, columns: "Provisioner:string:.provisioner"}),

	typed[rbacv1.Role, rbacv1.RoleList](resource{version: rbacv1.SchemeGroupVersion, kind: "Role", plural: "roles", anyName: true, upsert: true}),
	typed[rbacv1.RoleBinding, rbacv1.RoleBindingList](resource{version: rbacv1.SchemeGroupVersion, kind: "RoleBinding", plural: "rolebindings",
		anyName: true, upsert: true, columns: "Role:string:.roleRef.name"}),
	typed[rbacv1.ClusterRole, rbacv1.ClusterRoleList](resource{version: rbacv1.SchemeGroupVersion, kind: "ClusterRole", plural: "clusterroles",
		cluster: true, anyName: true, upsert: true}),
	typed[rbacv1.ClusterRoleBinding, rbacv1.ClusterRoleBindingList](resource{version: rbacv1.SchemeGroupVersion, kind: "ClusterRoleBinding", plural: "clusterrolebindings",
		cluster: true, anyName: true, upsert: true, columns: "Role:string:.roleRef.name"}),
}

func ofPod(read func(*corev1.Pod) string) fieldValue {
	return func(o runtime.Object) string { return read(o.(*corev1.Pod)) }
}

var podFields = map[string]fieldValue{
	"spec.nodeName":            ofPod(func(p *corev1.Pod) string { return p.Spec.NodeName }),
	"spec.restartPolicy":       ofPod(func(p *corev1.Pod) string { return string(p.Spec.RestartPolicy) }),
	"spec.schedulerName":       ofPod(func(p *corev1.Pod) string { return p.Spec.SchedulerName }),
	"spec.serviceAccountName":  ofPod(func(p *corev1.Pod) string { return p.Spec.ServiceAccountName }),
	"spec.hostNetwork":         ofPod(func(p *corev1.Pod) string { return strconv.FormatBool(p.Spec.HostNetwork) }),
	"status.phase":             ofPod(func(p *corev1.Pod) string { return string(p.Status.Phase) }),
	"status.podIP":             ofPod(func(p *corev1.Pod) string { return p.Status.PodIP }),
	"status.nominatedNodeName": ofPod(func(p *corev1.Pod) string { return p.Status.NominatedNodeName }),
}

func ofEvent(read func(*corev1.Event) string) fieldValue {
	return func(o runtime.Object) string { return read(o.(*corev1.Event)) }
}

var eventFields = map[string]fieldValue{
	"involvedObject.kind":            ofEvent(func(e *corev1.Event) string { return e.InvolvedObject.Kind }),
	"involvedObject.namespace":       ofEvent(func(e *corev1.Event) string { return e.InvolvedObject.Namespace }),
	"involvedObject.name":            ofEvent(func(e *corev1.Event) string { return e.InvolvedObject.Name }),
	"involvedObject.uid":             ofEvent(func(e *corev1.Event) string { return string(e.InvolvedObject.UID) }),
	"involvedObject.apiVersion":      ofEvent(func(e *corev1.Event) string { return e.InvolvedObject.APIVersion }),
	"involvedObject.resourceVersion": ofEvent(func(e *corev1.Event) string { return e.InvolvedObject.ResourceVersion }),
	"involvedObject.fieldPath":       ofEvent(func(e *corev1.Event) string { return e.InvolvedObject.FieldPath }),
	"reason":                         ofEvent(func(e *corev1.Event) string { return e.Reason }),
	"reportingComponent":             ofEvent(func(e *corev1.Event) string { return e.ReportingController }),
	"source":                         ofEvent(func(e *corev1.Event) string { return e.Source.Component }),
	"type":                           ofEvent(func(e *corev1.Event) string { return e.Type }),
}
