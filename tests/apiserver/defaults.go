package main

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// addDefaults fills in what clients and tests meet most. Kubernetes' full defaulting is not published as a library, so an
// object here has fewer defaults than on a cluster; README.md says so to test writers.
func addDefaults(s *runtime.Scheme) {
	s.AddTypeDefaultingFunc(&corev1.Namespace{}, func(o any) {
		namespace := o.(*corev1.Namespace)
		if namespace.Name == "" {
			return
		}
		if namespace.Labels == nil {
			namespace.Labels = map[string]string{}
		}
		namespace.Labels[corev1.LabelMetadataName] = namespace.Name
	})
	s.AddTypeDefaultingFunc(&corev1.Secret{}, func(o any) {
		secret := o.(*corev1.Secret)
		setDefault(&secret.Type, corev1.SecretTypeOpaque)
		for key, value := range secret.StringData {
			if secret.Data == nil {
				secret.Data = map[string][]byte{}
			}
			secret.Data[key] = []byte(value)
		}
		secret.StringData = nil
	})
	s.AddTypeDefaultingFunc(&corev1.Service{}, func(o any) {
		spec := &o.(*corev1.Service).Spec
		setDefault(&spec.Type, corev1.ServiceTypeClusterIP)
		setDefault(&spec.SessionAffinity, corev1.ServiceAffinityNone)
		for i := range spec.Ports {
			setDefault(&spec.Ports[i].Protocol, corev1.ProtocolTCP)
		}
	})
	s.AddTypeDefaultingFunc(&corev1.Pod{}, func(o any) { defaultPodSpec(&o.(*corev1.Pod).Spec, corev1.RestartPolicyAlways) })
	s.AddTypeDefaultingFunc(&appsv1.Deployment{}, func(o any) {
		spec := &o.(*appsv1.Deployment).Spec
		setPointer(&spec.Replicas, 1)
		setPointer(&spec.RevisionHistoryLimit, 10)
		setPointer(&spec.ProgressDeadlineSeconds, 600)
		setDefault(&spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
		defaultPodSpec(&spec.Template.Spec, corev1.RestartPolicyAlways)
	})
	s.AddTypeDefaultingFunc(&appsv1.ReplicaSet{}, func(o any) {
		spec := &o.(*appsv1.ReplicaSet).Spec
		setPointer(&spec.Replicas, 1)
		defaultPodSpec(&spec.Template.Spec, corev1.RestartPolicyAlways)
	})
	s.AddTypeDefaultingFunc(&appsv1.StatefulSet{}, func(o any) {
		spec := &o.(*appsv1.StatefulSet).Spec
		setPointer(&spec.Replicas, 1)
		setPointer(&spec.RevisionHistoryLimit, 10)
		setDefault(&spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
		setDefault(&spec.UpdateStrategy.Type, appsv1.RollingUpdateStatefulSetStrategyType)
		defaultPodSpec(&spec.Template.Spec, corev1.RestartPolicyAlways)
	})
	s.AddTypeDefaultingFunc(&appsv1.DaemonSet{}, func(o any) {
		spec := &o.(*appsv1.DaemonSet).Spec
		setPointer(&spec.RevisionHistoryLimit, 10)
		setDefault(&spec.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
		defaultPodSpec(&spec.Template.Spec, corev1.RestartPolicyAlways)
	})
	s.AddTypeDefaultingFunc(&batchv1.Job{}, func(o any) { defaultJobSpec(&o.(*batchv1.Job).Spec) })
	s.AddTypeDefaultingFunc(&batchv1.CronJob{}, func(o any) {
		spec := &o.(*batchv1.CronJob).Spec
		setDefault(&spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
		setPointer(&spec.Suspend, false)
		setPointer(&spec.SuccessfulJobsHistoryLimit, 3)
		setPointer(&spec.FailedJobsHistoryLimit, 1)
		defaultPodSpec(&spec.JobTemplate.Spec.Template.Spec, "")
	})
}

func defaultJobSpec(spec *batchv1.JobSpec) {
	if spec.Completions == nil && spec.Parallelism == nil {
		setPointer(&spec.Completions, 1)
	}
	setPointer(&spec.Parallelism, 1)
	setPointer(&spec.BackoffLimit, 6)
	setPointer(&spec.Suspend, false)
	setPointer(&spec.CompletionMode, batchv1.NonIndexedCompletion)
	defaultPodSpec(&spec.Template.Spec, "")
}

func defaultPodSpec(spec *corev1.PodSpec, restart corev1.RestartPolicy) {
	setDefault(&spec.RestartPolicy, restart)
	setDefault(&spec.DNSPolicy, corev1.DNSClusterFirst)
	setDefault(&spec.SchedulerName, corev1.DefaultSchedulerName)
	setPointer(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	if spec.SecurityContext == nil {
		spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			container := &containers[i]
			setDefault(&container.TerminationMessagePath, corev1.TerminationMessagePathDefault)
			setDefault(&container.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
			setDefault(&container.ImagePullPolicy, corev1.PullIfNotPresent)
			for j := range container.Ports {
				setDefault(&container.Ports[j].Protocol, corev1.ProtocolTCP)
			}
		}
	}
}

func setDefault[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}

func setPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
