// pod-retry looks at pods one by one, tries again what fails, gives up after its retry limit, and says when a pod is gone.
//
// It is the workqueue example of Kubernetes' own client library as a handler: the queue, its backoff, its workers and its memory are
// weir's, and what is left is what happens to one pod.
package main

import (
	"encoding/json"
	"strconv"

	"weir.dev/weir"
)

// The annotations that pods ask with and are answered with.
const (
	failures = "pod-retry.weir.dev/failures" // how many tries shall fail before one does not; absent: none
	tried    = "pod-retry.weir.dev/tried"    // the last try that failed, from 1
	triedAt  = "pod-retry.weir.dev/tried-at" // when that was, in milliseconds since the Unix epoch
	handled  = "pod-retry.weir.dev/handled"  // the try that did not fail
	pods     = "pod-retry.weir.dev/pods"     // how many pods there were then
)

func init() {
	weir.Handle(weir.Description{
		Description: "Handles labelled pods one by one, with retries, and says when one is gone",
		Watches: []weir.Watch{{
			Name: "pods", APIVersion: "v1", Kind: "Pod",
			LabelSelector: "pod-retry.weir.dev/watch in (yes,true),tier!=system,!pod-retry.weir.dev/ignore",
			FieldSelector: "status.phase!=Succeeded",
			Fields:        weir.Only("/metadata/annotations/pod-retry.weir.dev~1failures"),
		}},
		Reads: []weir.Read{{APIVersion: "v1", Kind: "Pod"}},
		Wants: weir.Wants{Write: []weir.Write{{APIVersion: "v1", Kind: "Pod", Actions: []weir.Verb{weir.VerbAnnotate, weir.VerbEmit}}}},
		SettingsSchema: map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{
			"pageSize": map[string]any{"type": "integer", "minimum": 1, "maximum": 500, "default": 500},
			"manifest": map[string]any{"type": "object"},
			"force":    map[string]any{"type": "boolean", "default": false},
		}},
	}, handle)
}

type settings struct {
	// How many pods are read at once.
	PageSize uint32
	// What is applied once a pod was handled, of whatever kind; none: nothing.
	Manifest json.RawMessage
	// Take fields over from others.
	Force bool
}

type pod struct {
	Metadata struct{ Annotations map[string]string }
}

func handle(event weir.Event) ([]weir.Action, error) {
	switch event.Change {
	case weir.Left:
		return nil, nil
	case weir.Deleted:
		return []weir.Action{weir.EmitNormal("PodGone", "pod %s is gone", event.Key.Name)}, nil
	}
	var seen pod
	if err := event.Decode(&seen); err != nil {
		return nil, err
	}
	if wanted, has := seen.Metadata.Annotations[failures]; has {
		count, err := strconv.ParseUint(wanted, 10, 32)
		if err != nil {
			return nil, weir.Permanent("annotation %s is no number: %q", failures, wanted)
		}
		if uint64(event.Attempt) <= count {
			return []weir.Action{
				weir.Annotate(tried, event.Attempt),
				weir.Annotate(triedAt, weir.Now().UnixMilli()),
				weir.FailWith(weir.Retry("try %d of %s failed, as %d shall", event.Attempt, event.Key.Name, count)),
			}, nil
		}
	}
	var chosen settings
	if err := weir.Settings(&chosen); err != nil {
		return nil, err
	}
	count := 0
	for _, err := range weir.List(weir.Query{APIVersion: "v1", Kind: "Pod", Limit: chosen.PageSize}) {
		if err != nil {
			return nil, err
		}
		count++
	}
	var actions []weir.Action
	if chosen.Manifest != nil {
		apply, err := applying(chosen)
		if err != nil {
			return nil, err
		}
		actions = append(actions, apply)
	}
	// What says that it was done comes last.
	return append(actions, weir.Annotate(handled, event.Attempt), weir.Annotate(pods, count)), nil
}

// Applies the manifest under a manager named after the object, so that each object's fields have an owner of their own.
func applying(chosen settings) (weir.Action, error) {
	var named struct{ Metadata struct{ Name string } }
	if err := json.Unmarshal(chosen.Manifest, &named); err != nil || named.Metadata.Name == "" {
		return nil, weir.Permanent("settings.manifest has no metadata.name")
	}
	return weir.Apply{Manifest: string(chosen.Manifest), Manager: named.Metadata.Name, Force: chosen.Force}, nil
}

func main() {}
