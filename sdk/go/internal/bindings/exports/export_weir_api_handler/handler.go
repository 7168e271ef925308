//go:build wasip1

// Package export_weir_api_handler is what the generated exports call. It hands on to package weir, which it cannot import:
// weir imports the exports.
package export_weir_api_handler

import (
	types "weir.dev/weir/internal/bindings/imports/weir_api_types"
	wit "weir.dev/weir/internal/wit/types"
)

// What package weir sets before anything is called.
var (
	OnDescribe func() wit.Result[string, string]
	OnHandle   func(types.Event) wit.Result[[]types.Action, types.Failure]
)

// Describe answers `describe`.
func Describe() wit.Result[string, string] { return OnDescribe() }

// Handle answers `handle`.
func Handle(event types.Event) wit.Result[[]types.Action, types.Failure] { return OnHandle(event) }
