package main

import (
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	crdopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// openAPI is what /openapi/v2 and /openapi/v3 are built from. Definitions of metadata and of custom resources are
// Kubernetes' own; those of the built-in kinds, which only kube-apiserver has, are read from the Go types. They know
// types, descriptions and merge keys, but not which fields are required, and kubectl needs no more.
func openAPI() (*common.Config, *common.OpenAPIV3Config) {
	namer := openapinamer.NewDefinitionNamer(apiextensions.Scheme, clientscheme.Scheme)
	v2 := genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	v2.Info.Title = "weir test API"
	v3 := genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	v3.Info.Title = "weir test API"
	return v2, v3
}

func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := crdopenapi.GetOpenAPIDefinitions(ref)
	models := &modelReader{ref, all}
	for gvk, goType := range scheme.AllKnownTypes() {
		if gvk.Version != "__internal" && strings.HasPrefix(goType.PkgPath(), "k8s.io/") {
			models.define(goType)
		}
	}
	return all
}

// modelReader turns Go types into definitions; known grows as types are met.
type modelReader struct {
	ref   common.ReferenceCallback
	known map[string]common.OpenAPIDefinition
}

func nameOf(goType reflect.Type) string {
	return util.GetCanonicalTypeName(reflect.New(goType).Interface())
}

func (m *modelReader) define(goType reflect.Type) string {
	name := nameOf(goType)
	if _, ok := m.known[name]; ok {
		return name
	}
	m.known[name] = common.OpenAPIDefinition{} // ends the recursion of a type that holds itself
	schema := spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}, Properties: map[string]spec.Schema{}}}
	docs := docsOf(goType)
	schema.Description = docs[""]
	uses := map[string]bool{}
	m.properties(goType, docs, schema.Properties, uses)
	definition := common.OpenAPIDefinition{Schema: schema}
	for use := range uses {
		definition.Dependencies = append(definition.Dependencies, use)
	}
	m.known[name] = definition
	return name
}

func (m *modelReader) properties(goType reflect.Type, docs map[string]string, into map[string]spec.Schema, uses map[string]bool) {
	for i := range goType.NumField() {
		field := goType.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		if name == "" && (field.Anonymous || strings.Contains(options, "inline")) {
			m.properties(field.Type, docsOf(field.Type), into, uses)
			continue
		}
		schema := m.schema(field.Type, uses)
		schema.Description = docs[name]
		for tag, extension := range map[string]string{"patchStrategy": "x-kubernetes-patch-strategy", "patchMergeKey": "x-kubernetes-patch-merge-key"} {
			if value, ok := field.Tag.Lookup(tag); ok {
				schema.AddExtension(extension, value)
			}
		}
		into[name] = schema
	}
}

func (m *modelReader) schema(goType reflect.Type, uses map[string]bool) spec.Schema {
	if own, ok := reflect.New(goType).Interface().(common.OpenAPIDefinitionGetter); ok {
		return own.OpenAPIDefinition().Schema
	}
	switch goType.Kind() {
	case reflect.Pointer:
		return m.schema(goType.Elem(), uses)
	case reflect.Bool:
		return plain("boolean", "")
	case reflect.Int32, reflect.Uint8, reflect.Int16, reflect.Uint16, reflect.Uint32:
		return plain("integer", "int32")
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return plain("integer", "int64")
	case reflect.Float32, reflect.Float64:
		return plain("number", "double")
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return plain("string", "byte")
		}
		items := m.schema(goType.Elem(), uses)
		return *spec.ArrayProperty(&items)
	case reflect.Map:
		values := m.schema(goType.Elem(), uses)
		return *spec.MapProperty(&values)
	case reflect.Struct:
		return m.structure(goType, uses)
	}
	return plain("string", "")
}

// structure is a reference, except for the few types that encode as something else than an object and say so.
func (m *modelReader) structure(goType reflect.Type, uses map[string]bool) spec.Schema {
	name := nameOf(goType)
	if _, ok := m.known[name]; !ok {
		if scalar, ok := reflect.New(goType).Interface().(interface {
			OpenAPISchemaType() []string
			OpenAPISchemaFormat() string
		}); ok && len(scalar.OpenAPISchemaType()) > 0 {
			return plain(scalar.OpenAPISchemaType()[0], scalar.OpenAPISchemaFormat())
		}
		m.define(goType)
	}
	uses[name] = true
	return spec.Schema{SchemaProps: spec.SchemaProps{Ref: m.ref(name)}}
}

func plain(kind, format string) spec.Schema {
	return spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{kind}, Format: format}}
}

func docsOf(goType reflect.Type) map[string]string {
	if documented, ok := reflect.New(goType).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
		return documented.SwaggerDoc()
	}
	return nil
}
