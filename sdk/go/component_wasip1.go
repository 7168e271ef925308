package weir

import (
	"log"
	"log/slog"
	"time"

	handler "weir.dev/weir/internal/bindings/exports/export_weir_api_handler"
	_ "weir.dev/weir/internal/bindings/exports/wit_exports" // the component's exports
	api "weir.dev/weir/internal/bindings/imports/weir_api_types"
	wit "weir.dev/weir/internal/wit/types"
)

// Between this package's types and the generated ones. Nothing is decided here.

func init() {
	host = component{}
	slog.SetDefault(slog.New(LogHandler()))
	log.SetFlags(0)
	log.SetOutput(lines{LevelInfo})
	handler.OnDescribe = func() wit.Result[string, string] {
		text, err := Describe()
		if err != nil {
			return wit.Err[string, string](err.Error())
		}
		return wit.Ok[string, string](text)
	}
	handler.OnHandle = func(event api.Event) wit.Result[[]api.Action, api.Failure] {
		actions, err := Call(eventOf(event))
		if err != nil {
			return wit.Err[[]api.Action, api.Failure](failureTo(err))
		}
		return wit.Ok[[]api.Action, api.Failure](actionsTo(actions))
	}
}

func eventOf(event api.Event) Event {
	return Event{
		Change: Change(event.Change),
		Watch:  event.Watch,
		Key: ObjectKey{
			APIVersion: event.Key.ApiVersion, Kind: event.Key.Kind, Namespace: event.Key.Namespace.SomeOr(""), Name: event.Key.Name,
		},
		UID:               event.Uid,
		ResourceVersion:   event.ResourceVersion,
		Object:            event.Object,
		Previous:          event.Previous.SomeOr(""),
		FinalStateUnknown: event.FinalStateUnknown,
		Attempt:           event.Attempt,
		Extra:             fieldsOf(event.Extra),
	}
}

func fieldsOf(pairs []wit.Tuple2[string, string]) []Field {
	var fields []Field
	for _, pair := range pairs {
		fields = append(fields, Field{Name: pair.F0, Value: pair.F1})
	}
	return fields
}

func fieldsTo(fields []Field) []wit.Tuple2[string, string] {
	pairs := make([]wit.Tuple2[string, string], 0, len(fields))
	for _, field := range fields {
		pairs = append(pairs, wit.Tuple2[string, string]{F0: field.Name, F1: field.Value})
	}
	return pairs
}

func failureTo(err error) api.Failure {
	failure := failureOf(err)
	switch failure.Kind {
	case KindRetryLater:
		return api.MakeFailureRetryLater(api.RetryLater{AfterMs: milliseconds(failure.After), Reason: failure.Error()})
	case KindPermanent:
		return api.MakeFailurePermanent(failure.Error())
	default:
		return api.MakeFailureRetry(failure.Error())
	}
}

func actionsTo(actions []Action) []api.Action {
	answer := make([]api.Action, 0, len(actions))
	for _, action := range actions {
		answer = append(answer, actionTo(action))
	}
	return answer
}

func actionTo(action Action) api.Action {
	switch it := action.(type) {
	case Annotations:
		return api.MakeActionAnnotate(marksTo(it))
	case Labels:
		return api.MakeActionLabel(marksTo(it))
	case Status:
		return api.MakeActionSetStatus(it.JSON)
	case Patch:
		return api.MakeActionPatch(api.Patch{
			Target: keyTo(it.Target), Uid: textTo(it.UID), Subresource: textTo(it.Subresource), Format: uint8(it.Format), Body: it.Body,
		})
	case Apply:
		return api.MakeActionApply(api.Apply{
			Manifest: it.Manifest, Subresource: textTo(it.Subresource), Manager: textTo(it.Manager), Force: it.Force,
		})
	case Create:
		return api.MakeActionCreate(it.Manifest)
	case Delete:
		deletion := api.Deletion{Target: keyTo(it.Target), Uid: textTo(it.UID)}
		if it.GracePeriodSeconds != nil {
			deletion.GracePeriodSeconds = wit.Some(*it.GracePeriodSeconds)
		}
		if it.Propagation != PropagationDefault {
			deletion.Propagation = wit.Some(uint8(it.Propagation) - 1)
		}
		return api.MakeActionDelete(deletion)
	case Note:
		return api.MakeActionEmit(api.Note{
			Regarding: keyTo(it.Regarding), Severity: uint8(it.Severity), Reason: it.Reason, Message: it.Message,
		})
	case LogLine:
		return api.MakeActionLog(api.LogLine{Level: uint8(it.Level), Message: it.Message, Fields: fieldsTo(it.Fields)})
	case HTTP:
		return api.MakeActionHttp(api.HttpRequest{
			Method: it.Method, Url: it.URL, Headers: fieldsTo(it.Headers), Body: it.Body, IdempotencyKey: textTo(it.IdempotencyKey),
		})
	case RequeueAfter:
		return api.MakeActionRequeueAfterMs(milliseconds(time.Duration(it)))
	case Fail:
		return api.MakeActionFail(failureTo(it.Err))
	case Extension:
		return api.MakeActionExtension(api.Extension{Name: it.Name, Payload: it.Payload})
	default:
		panic("not an action") // Call checked it
	}
}

func marksTo(marks []Mark) []wit.Tuple2[string, wit.Option[string]] {
	pairs := make([]wit.Tuple2[string, wit.Option[string]], 0, len(marks))
	for _, mark := range marks {
		pair := wit.Tuple2[string, wit.Option[string]]{F0: mark.Name}
		if !mark.Remove {
			pair.F1 = wit.Some(mark.Value)
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

func keyTo(key *ObjectKey) wit.Option[api.ObjectKey] {
	if key == nil {
		return wit.None[api.ObjectKey]()
	}
	return wit.Some(api.ObjectKey{ApiVersion: key.APIVersion, Kind: key.Kind, Namespace: textTo(key.Namespace), Name: key.Name})
}

func textTo(text string) wit.Option[string] {
	if text == "" {
		return wit.None[string]()
	}
	return wit.Some(text)
}
