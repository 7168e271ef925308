package main

import (
	"fmt"
	"net"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	genericapi "k8s.io/apiserver/pkg/endpoints"
	"k8s.io/apiserver/pkg/endpoints/discovery"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/applyconfigurations"
)

// builtins is what the built-in groups need of the configuration.
type builtins struct {
	server    *genericapiserver.GenericAPIServer
	options   generic.RESTOptionsGetter
	admission admission.Interface
	// minTimeout is in seconds.
	minTimeout int
	maxBody    int64
	types      managedfields.TypeConverter
}

// install adds the built-in groups to a server. It is GenericAPIServer.InstallAPIGroup done by hand, for one reason: that
// builds the schemas for server-side apply from OpenAPI definitions which only kube-apiserver has. client-go's apply
// configurations carry the same schemas.
func (b *builtins) install() error {
	b.types = applyconfigurations.NewTypeConverter(scheme)
	storages := map[schema.GroupVersion]map[string]rest.Storage{
		authorizationv1.SchemeGroupVersion:  {"selfsubjectaccessreviews": accessReview(b.server.Authorizer)},
		authenticationv1.SchemeGroupVersion: {"selfsubjectreviews": subjectReview()},
	}
	var events *registry.Store
	for i := range resources {
		row := &resources[i]
		if storages[row.version] == nil {
			storages[row.version] = map[string]rest.Storage{}
		}
		if row.kind == "Event" && events != nil {
			storages[row.version][row.plural] = &mainREST{events, row}
			continue
		}
		store, err := newStore(row, b.options)
		if err != nil {
			return err
		}
		if row.kind == "Event" {
			events = store
		}
		b.addResource(storages[row.version], store, row)
	}
	for _, group := range groupVersions {
		if storage := storages[group.version]; storage != nil {
			if err := b.installGroup(group.version, storage); err != nil {
				return fmt.Errorf("installing %s: %w", group.version, err)
			}
		}
	}
	return nil
}

func (b *builtins) addResource(storage map[string]rest.Storage, store *registry.Store, row *resource) {
	main := mainREST{store, row}
	storage[row.plural] = &main
	if row.kind == "Namespace" {
		storage[row.plural] = &namespaceREST{main}
		storage["namespaces/finalize"] = newFinalizeREST(store, row)
	}
	if row.status || row.kind == "Namespace" {
		storage[row.plural+"/status"] = newStatusREST(store, row)
	}
	if row.scale {
		storage[row.plural+"/scale"] = &scaleREST{store, store.TableConvertor}
	}
}

func (b *builtins) installGroup(version schema.GroupVersion, storage map[string]rest.Storage) error {
	info := genericapiserver.NewDefaultAPIGroupInfo(version.Group, scheme, metav1.ParameterCodec, codecs)
	root := genericapiserver.APIGroupPrefix
	if version.Group == "" {
		root = genericapiserver.DefaultLegacyAPIPrefix
	}
	served := map[string][]string{}
	for name := range storage {
		served[name] = []string{version.String()}
	}
	group := &genericapi.APIGroupVersion{
		Root: root, GroupVersion: version, Storage: storage,
		AllServedVersionsByResource: served,
		OptionsExternalVersion:      &schema.GroupVersion{Version: "v1"},
		ParameterCodec:              info.ParameterCodec,
		Serializer:                  info.NegotiatedSerializer,
		Creater:                     scheme,
		Convertor:                   scheme,
		ConvertabilityChecker:       scheme,
		UnsafeConvertor:             runtime.UnsafeObjectConvertor(scheme),
		Defaulter:                   scheme,
		Typer:                       scheme,
		Namer:                       runtime.Namer(meta.NewAccessor()),
		TypeConverter:               b.types,
		EquivalentResourceRegistry:  b.server.EquivalentResourceRegistry,
		Authorizer:                  b.server.Authorizer,
		Admit:                       b.admission,
		MinRequestTimeout:           seconds(b.minTimeout),
		MaxRequestBodyBytes:         b.maxBody,
	}
	found, _, err := group.InstallREST(b.server.Handler.GoRestfulContainer)
	if err != nil {
		return err
	}
	for name, store := range storage {
		if ready, ok := store.(rest.StorageWithReadiness); ok {
			b.server.StorageReadinessHook.RegisterStorage(metav1.GroupVersionResource{Group: version.Group, Version: version.Version, Resource: name}, ready)
		}
		b.server.RegisterDestroyFunc(store.Destroy)
	}
	b.announce(version, found, info.NegotiatedSerializer)
	return nil
}

// announce adds the group to both forms of discovery.
func (b *builtins) announce(version schema.GroupVersion, found []apidiscoveryv2.APIResourceDiscovery, serializer runtime.NegotiatedSerializer) {
	current := apidiscoveryv2.APIVersionDiscovery{Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent, Version: version.Version, Resources: found}
	container := b.server.Handler.GoRestfulContainer
	if version.Group == "" {
		legacy := b.server.AggregatedLegacyDiscoveryGroupManager
		legacy.AddGroupVersion(version.Group, current)
		plain := discovery.NewLegacyRootAPIHandler(loopbackAddress(), serializer, genericapiserver.DefaultLegacyAPIPrefix)
		wrapped := aggregated.WrapAggregatedDiscoveryToHandler(plain, legacy, legacy)
		container.Add(wrapped.GenerateWebService(genericapiserver.DefaultLegacyAPIPrefix, metav1.APIVersions{}))
		return
	}
	b.server.AggregatedDiscoveryGroupManager.AddGroupVersion(version.Group, current)
	group := plainGroup(version.Group, []string{version.Version})
	b.server.DiscoveryGroupManager.AddGroup(group)
	container.Add(discovery.NewAPIGroupHandler(serializer, group).WebService())
}

// plainGroup is an entry of /apis; the first version is the preferred one.
func plainGroup(name string, versions []string) metav1.APIGroup {
	group := metav1.APIGroup{Name: name}
	for _, version := range versions {
		group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + version, Version: version})
	}
	group.PreferredVersion = group.Versions[0]
	return group
}

func loopbackAddress() discovery.Addresses {
	return discovery.DefaultAddresses{DefaultAddress: net.IPv4(127, 0, 0, 1).String()}
}

// builtinGroups are the names that a custom resource's group cannot take away from discovery.
func builtinGroups() sets.Set[string] {
	names := sets.New("apiextensions.k8s.io")
	for _, group := range groupVersions {
		names.Insert(group.version.Group)
	}
	return names
}
