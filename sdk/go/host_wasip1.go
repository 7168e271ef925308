package weir

import (
	"weir.dev/weir/internal/bindings/imports/weir_api_cluster"
	"weir.dev/weir/internal/bindings/imports/weir_api_host"
	"weir.dev/weir/internal/bindings/imports/weir_api_log"
	"weir.dev/weir/internal/bindings/imports/weir_api_subject"
	api "weir.dev/weir/internal/bindings/imports/weir_api_types"
	memory "weir.dev/weir/internal/wit/runtime"
	wit "weir.dev/weir/internal/wit/types"
)

// component is the host as the component's imports have it. Each answer's memory is let go at once: by then it is strings, which
// hold it as long as the handler does.
type component struct{}

var _ Host = component{}

func (component) Log(level Level, message string, fields []Field) {
	pairs := fieldsTo(fields)
	switch level {
	case LevelTrace:
		weir_api_log.Trace(message, pairs)
	case LevelDebug:
		weir_api_log.Debug(message, pairs)
	case LevelInfo:
		weir_api_log.Info(message, pairs)
	case LevelWarn:
		weir_api_log.Warn(message, pairs)
	default:
		weir_api_log.Error(message, pairs)
	}
}

func (component) Subject(pointers []string) ([]string, error) {
	defer memory.Unpin()
	answer := weir_api_subject.GetMany(pointers)
	if answer.Tag() == wit.ResultErr {
		return nil, readErrorOf(answer.Err())
	}
	found := make([]string, 0, len(pointers))
	for _, one := range answer.Ok() {
		found = append(found, one.SomeOr(""))
	}
	return found, nil
}

func (component) Get(key ObjectKey) (string, error) {
	defer memory.Unpin()
	answer := weir_api_cluster.Get(keyTo(&key).Some())
	if answer.Tag() == wit.ResultErr {
		return "", readErrorOf(answer.Err())
	}
	return answer.Ok().SomeOr(""), nil
}

func (component) ListPage(query Query) (Page, error) {
	defer memory.Unpin()
	answer := weir_api_cluster.ListPage(weir_api_cluster.Query{
		ApiVersion:    query.APIVersion,
		Kind:          query.Kind,
		Namespace:     textTo(query.Namespace),
		LabelSelector: query.LabelSelector,
		FieldSelector: query.FieldSelector,
		Limit:         query.Limit,
		ContinueToken: textTo(query.Continue),
	})
	if answer.Tag() == wit.ResultErr {
		return Page{}, readErrorOf(answer.Err())
	}
	page := answer.Ok()
	return Page{Items: page.Items, Continue: page.ContinueToken.SomeOr("")}, nil
}

func (component) Settings() string {
	defer memory.Unpin()
	return weir_api_host.Settings()
}

func (component) NowMS() float64 { return weir_api_host.NowMs() }

func (component) Features() []string {
	defer memory.Unpin()
	return weir_api_host.Features()
}

func readErrorOf(err api.ReadError) error {
	switch err.Tag() {
	case api.ReadError_Denied:
		return &ReadError{Kind: Denied, Text: err.Denied()}
	case api.ReadError_Invalid:
		return &ReadError{Kind: Invalid, Text: err.Invalid()}
	default:
		return &ReadError{Kind: Unavailable, Text: err.Unavailable()}
	}
}
