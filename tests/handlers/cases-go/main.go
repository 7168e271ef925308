// A handler that does what the object's annotation `test.weir.dev/do` says, word by word: one word for each thing that crosses the
// contract, so that its answers show whether this language's kit says what was meant.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"weir.dev/weir"
)

func init() {
	weir.Handle(weir.Description{
		Description: "Does what an annotation says",
		Watches: []weir.Watch{{
			Name: "objects", APIVersion: "v1", Kind: "ConfigMap", Resync: weir.Duration(1500 * time.Millisecond),
			Fields: weir.Only("/metadata/annotations", "/data"),
		}},
		Reads: []weir.Read{{APIVersion: "v1", Kind: "Pod"}},
		SettingsSchema: map[string]any{"type": "object", "properties": map[string]any{
			"greeting": map[string]any{"type": "string", "default": "grüß Gott"},
		}},
	}, handle)
}

// What this handler looks at.
type object struct {
	Metadata struct{ Annotations map[string]string }
	Data     map[string]string
}

// How often this instance was called.
var calls int

func handle(event weir.Event) ([]weir.Action, error) {
	calls++
	var seen object
	if err := event.Decode(&seen); err != nil {
		return nil, err
	}
	var actions []weir.Action
	for _, word := range strings.Fields(seen.Metadata.Annotations["test.weir.dev/do"]) {
		more, err := do(word, event, seen)
		if err != nil {
			return nil, err
		}
		actions = append(actions, more...)
	}
	return actions, nil
}

func do(word string, event weir.Event, seen object) ([]weir.Action, error) {
	pod := weir.ObjectKey{APIVersion: "v1", Kind: "Pod", Namespace: "default", Name: "p"}
	switch word {
	case "event":
		return one(weir.Annotate("event", fmt.Sprintf("%s %s %s %s %s %d %v", event.Change, event.Watch, event.Key, event.UID,
			event.ResourceVersion, event.Attempt, event.Previous != "")))
	case "count":
		return one(weir.Annotate("count", len(seen.Data)))
	case "text":
		return one(weir.Label("text", seen.Data["text"]))
	case "calls":
		return one(weir.Annotate("calls", calls))
	case "settings":
		var settings struct{ Greeting string }
		if err := weir.Settings(&settings); err != nil {
			return nil, err
		}
		return one(weir.Annotate("greeting", settings.Greeting))
	case "remove":
		return one(weir.RemoveAnnotation("a"), weir.RemoveLabel("b"))
	case "status":
		return one(weir.SetStatus(map[string]any{"ready": true}))
	case "patch":
		return one(weir.Patch{Target: &pod, UID: "u", Subresource: "status", Format: weir.JSONPatch, Body: "[]"},
			weir.Merge(map[string]any{"data": nil}))
	case "apply":
		return one(weir.Apply{Manifest: `{"kind":"Pod"}`, Manager: "m", Force: true}, weir.ApplyObject(pod))
	case "create":
		return one(weir.CreateObject(map[string]int{"one": 1}))
	case "delete":
		grace := uint32(0)
		return one(weir.Delete{Target: &pod, GracePeriodSeconds: &grace, Propagation: weir.PropagationOrphan}, weir.Delete{})
	case "emit":
		return one(weir.EmitWarning("Reason", "%d ünits", 3), weir.Note{Regarding: &pod, Reason: "Other", Message: ""})
	case "log":
		slog.Info("said at once", "who", "me")
		return one(weir.LogLine{Level: weir.LevelWarn, Message: "said later", Fields: []weir.Field{{Name: "who", Value: "me"}}})
	case "http":
		return one(weir.HTTP{Method: "POST", URL: "https://example.com/", Headers: []weir.Field{{Name: "a", Value: "b"}}, Body: "x"})
	case "requeue":
		return one(weir.RequeueAfter(1500 * time.Millisecond))
	case "fail":
		return one(weir.FailWith(weir.RetryLater(2*time.Second, "not ready")))
	case "extension":
		return one(weir.Extension{Name: "later", Payload: "{}"})
	case "list":
		count := 0
		for _, err := range weir.List(weir.Query{APIVersion: "v1", Kind: "Pod", Limit: 2}) {
			if err != nil {
				return nil, err
			}
			count++
		}
		return one(weir.Annotate("listed", count))
	case "get":
		found, err := weir.Get(pod, &struct{}{})
		return []weir.Action{weir.Annotate("found", found)}, err
	case "retry":
		return nil, errors.New("as any error")
	case "retry-later":
		return nil, fmt.Errorf("wrapped: %w", weir.RetryLater(time.Minute, "later"))
	case "permanent":
		return nil, weir.Permanent("never: %s", "für immer")
	case "panic":
		panic("on purpose")
	case "sleep":
		time.Sleep(time.Hour)
		return nil, nil
	case "garbage":
		for range 10 {
			hold = make([]byte, 10_000)
		}
		return nil, nil
	default:
		return nil, weir.Permanent("there is no word %q", word)
	}
}

// Where garbage is made, so that the compiler cannot see that nobody reads it.
var hold []byte

func one(actions ...weir.Action) ([]weir.Action, error) { return actions, nil }

func main() {}
