package weir

import (
	"encoding/json"
	"fmt"
)

// Change is why the handler is called. It is computed when it is called, against what was last handed to this handler, so
// several changes in a row may be one call; and a call that fails is made again with the change that then holds.
type Change uint8

const (
	// Initial: existed when the handler first saw the cluster. Called so until one call for it ended well.
	Initial Change = iota
	// Added: was created since, or came back into the watch's selectors. Called so until one call for it ended well.
	Added
	// Updated: differs from the state last handed to the handler, or the last call for it did not end well.
	Updated
	// Related: something that a related watch maps to this object changed.
	Related
	// Finalizing: is being deleted and waits for this handler; answering without an error lets it go.
	Finalizing
	// Left: still exists, but no longer matches the watch's selectors. Object is the last state that matched.
	Left
	// Deleted: is gone. Object is the last state known; see [Event.FinalStateUnknown].
	Deleted
	// Resync: nothing changed; the watch's resync period came round.
	Resync
	// Requeued: nothing changed; the handler asked for this call with [RequeueAfter].
	Requeued
)

var changes = [...]string{"initial", "added", "updated", "related", "finalizing", "left", "deleted", "resync", "requeued"}

// String is the change as manifests write it.
func (c Change) String() string {
	if int(c) < len(changes) {
		return changes[c]
	}
	return fmt.Sprintf("change %d", uint8(c))
}

// MarshalText writes the change as manifests do.
func (c Change) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Change) UnmarshalText(text []byte) error {
	for index, name := range changes {
		if name == string(text) {
			*c = Change(index)
			return nil
		}
	}
	return fmt.Errorf("%q is no change; those are %v", text, changes)
}

// ObjectKey names one object.
type ObjectKey struct {
	// `v1`, `apps/v1`, …
	APIVersion string `json:"apiVersion"`
	// `Node`, `Deployment`, …
	Kind string `json:"kind"`
	// Empty for cluster-scoped kinds.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is `apiVersion/kind namespace/name`.
func (k ObjectKey) String() string {
	if k.Namespace == "" {
		return fmt.Sprintf("%s/%s %s", k.APIVersion, k.Kind, k.Name)
	}
	return fmt.Sprintf("%s/%s %s/%s", k.APIVersion, k.Kind, k.Namespace, k.Name)
}

// Event is one call's question: what happened, to which object, and how that object is now.
type Event struct {
	Change Change `json:"change"`
	// The name of the watch that matched.
	Watch string    `json:"watch"`
	Key   ObjectKey `json:"key"`
	// Tells the object from an earlier or later one of the same name.
	UID string `json:"uid"`
	// Of Object. Opaque: compare for equality only.
	ResourceVersion string `json:"resourceVersion"`
	// The object as JSON: whole, projected to the watch's fields, or metadata only. Always has apiVersion, kind and
	// metadata.{name,namespace,uid}; never managedFields. See [Event.Decode].
	Object string `json:"object"`
	// The state this handler last acknowledged by answering without an error, if the watch declared Previous. Empty if it never
	// acknowledged one.
	Previous string `json:"previous,omitempty"`
	// With Deleted: the deletion itself was not observed, so the object may have changed after Object.
	FinalStateUnknown bool `json:"finalStateUnknown,omitempty"`
	// 1 on the first call, and one more after each failure that counts, until a call ends well.
	Attempt uint32 `json:"attempt"`
	// Names and values that later hosts may add. Ignore those you do not know.
	Extra []Field `json:"extra,omitempty"`
}

// Decode reads the object into a struct of what the handler looks at. An object that does not fit is a [Permanent] error: the same
// text would not fit the next time either.
func (e Event) Decode(into any) error { return decode(e.Object, "the object", e.Key, into) }

// DecodePrevious does the same for the previous state, and answers false if there is none.
func (e Event) DecodePrevious(into any) (bool, error) {
	if e.Previous == "" {
		return false, nil
	}
	return true, decode(e.Previous, "the previous state", e.Key, into)
}

func decode(text, what string, key ObjectKey, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return Permanent("cannot read %s of %s: %w", what, key, err)
	}
	return nil
}
