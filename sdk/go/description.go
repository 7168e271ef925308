package weir

import (
	"encoding/json"
	"fmt"
	"time"
)

// Description is what a handler says about itself when it is loaded: the `spec` of its manifest. What is left at its zero value is
// left to the manifest's default. What is the operator's alone (settings, grants, limits) has no field here. Nothing is checked on
// this side: weir refuses what is wrong, with the place and the fix.
type Description struct {
	// One line for people.
	Description string `json:"description,omitempty"`
	// What the handler is called for. At least one, no two on one kind.
	Watches []Watch `json:"watches"`
	// Kinds that [Get] and [List] may be asked for, if the operator grants it.
	Reads []Read `json:"reads,omitempty"`
	// What it would like to be granted; a wish, not a right.
	Wants Wants `json:"wants,omitzero"`
	// A JSON Schema of [Settings]; its defaults are filled in by weir.
	SettingsSchema any `json:"settingsSchema,omitempty"`
}

// Watch is one kind the handler is called for.
type Watch struct {
	// Unique in the handler; what [Event.Watch] says.
	Name string `json:"name"`
	// `v1`, `apps/v1`, …
	APIVersion string `json:"apiVersion"`
	// `Node`, `Deployment`, …
	Kind string `json:"kind"`
	// Empty: all that weir watches.
	Namespaces []string `json:"namespaces,omitempty"`
	// Kubernetes' syntax, evaluated by the API server. Empty: all.
	LabelSelector string `json:"labelSelector,omitempty"`
	// Kubernetes' syntax, evaluated by the API server. Empty: all.
	FieldSelector string `json:"fieldSelector,omitempty"`
	// Which changes make a call. Empty: initial, added, updated, left and deleted, and what Resync and timers cause.
	Events []Change `json:"events,omitempty"`
	// How much of the object to hand over. The less, the faster, and the fewer calls.
	Fields Fields `json:"fields,omitzero"`
	// JSON pointers: updated only if one of these differs. Empty: whatever is handed over.
	Changed []string `json:"changed,omitempty"`
	// Hand over the state last acknowledged too.
	Previous bool `json:"previous,omitempty"`
	// Call for every object this often, changed or not. At least a second; zero: never.
	Resync Duration `json:"resync,omitzero"`
}

// Fields is how much of an object a watch hands over. Its zero value is all of it, less managedFields.
type Fields struct {
	some     bool
	pointers []string
}

// Metadata hands over the metadata alone; weir then watches metadata only, which is cheaper for the API server too.
func Metadata() Fields { return Fields{some: true} }

// Only hands over what these JSON pointers name, beside apiVersion, kind and metadata.{name,namespace,uid}. A `/` inside a name is
// written `~1`: `/metadata/annotations/example.com~1team`.
func Only(pointers ...string) Fields { return Fields{some: true, pointers: pointers} }

// IsZero is whether all of the object is handed over.
func (f Fields) IsZero() bool { return !f.some }

// MarshalJSON writes the fields as the manifest does.
func (f Fields) MarshalJSON() ([]byte, error) {
	if f.pointers == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(f.pointers)
}

// Duration is a time as manifests write it: `30s`, or `1500ms` where it is not whole seconds.
type Duration time.Duration

// MarshalText writes it so.
func (d Duration) MarshalText() ([]byte, error) {
	if time := time.Duration(d); time.Milliseconds()%1000 != 0 {
		return fmt.Appendf(nil, "%dms", time.Milliseconds()), nil
	} else {
		return fmt.Appendf(nil, "%ds", time.Milliseconds()/1000), nil
	}
}

// Read is a kind that [Get] and [List] may be asked for.
type Read struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Empty: all.
	Namespaces []string `json:"namespaces,omitempty"`
}

// Wants is what a handler would like to be granted.
type Wants struct {
	// Which writes to which objects.
	Write []Write `json:"write,omitempty"`
	// URL prefixes for [HTTP].
	HTTP []string `json:"http,omitempty"`
}

// IsZero is whether it wants nothing.
func (w Wants) IsZero() bool { return len(w.Write) == 0 && len(w.HTTP) == 0 }

// Write is writes to the objects of one kind.
type Write struct {
	APIVersion string `json:"apiVersion"`
	// For VerbEmit, the kind of the object that the Event is about.
	Kind    string `json:"kind"`
	Actions []Verb `json:"actions"`
	// Empty: all.
	Namespaces []string `json:"namespaces,omitempty"`
	// Empty: all.
	Names []string `json:"names,omitempty"`
	// Subresources beside the object itself, for patch and apply; set-status needs none.
	Subresources []string `json:"subresources,omitempty"`
	// Whether apply may take fields over from other managers.
	Force bool `json:"force,omitempty"`
}

// Verb is an action as grants name it.
type Verb string

// The actions that grants name.
const (
	VerbAnnotate  Verb = "annotate"
	VerbLabel     Verb = "label"
	VerbSetStatus Verb = "set-status"
	VerbPatch     Verb = "patch"
	VerbApply     Verb = "apply"
	VerbCreate    Verb = "create"
	VerbDelete    Verb = "delete"
	VerbEmit      Verb = "emit"
)
