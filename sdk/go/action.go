package weir

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// An Action is something weir should do. There is one type for each case of the contract, so that a test can compare; the
// functions below make most of them.
//
// All actions of an answer are checked, and held against the grants, before the first is carried out.
type Action interface{ action() }

// Mark is one annotation or label.
type Mark struct {
	Name, Value string
	// Remove it; the value is ignored.
	Remove bool
}

// Annotations sets or removes annotations of the event's own object; others are left alone.
type Annotations []Mark

// Labels sets or removes labels of the event's own object; others are left alone.
type Labels []Mark

// Status merges a JSON object into the status of the event's own object. Arrays, so conditions too, are replaced whole.
type Status struct{ JSON string }

// PatchFormat is how a patch's body is to be read.
type PatchFormat uint8

const (
	// JSONPatch: RFC 6902. A leading `test` makes it conditional.
	JSONPatch PatchFormat = iota
	// MergePatch: RFC 7386. Maps are merged, null removes, lists are replaced whole.
	MergePatch
	// StrategicPatch: Kubernetes' own; lists with keys are merged by them. Built-in kinds only.
	StrategicPatch
)

// Patch changes a part of one object. One of the event's own object is only made if nobody changed it since the handler was shown
// it; else the handler is called anew with the newest state.
type Patch struct {
	// Nil: the event's own object.
	Target *ObjectKey
	// Only if the object still has this uid. Empty: whichever; implied for the event's own object.
	UID string
	// `status`, `scale`, …; empty: the object itself.
	Subresource string
	Format      PatchFormat
	// JSON: an array of operations for JSONPatch, an object for the others.
	Body string
}

// Apply makes an object have at least these fields, by server-side apply, and creates it if need be.
type Apply struct {
	// JSON or YAML of one object, with apiVersion, kind and metadata.name (and namespace, if the kind has them).
	Manifest string
	// `status`, …; empty: the object itself.
	Subresource string
	// Appended to the handler's field manager after a slash. An apply owns exactly what it names, so use one manager for each set of
	// fields applied to an object. Empty: the field manager itself.
	Manager string
	// Take fields over from other managers. Needs a grant of its own.
	Force bool
}

// Create creates the object of a manifest, JSON or YAML, unless it exists.
type Create struct{ Manifest string }

// Propagation is what happens to the objects that a deleted one owns.
type Propagation uint8

const (
	// PropagationDefault: as the kind has it.
	PropagationDefault Propagation = iota
	// PropagationBackground: they are deleted after it.
	PropagationBackground
	// PropagationForeground: they are deleted before it.
	PropagationForeground
	// PropagationOrphan: they stay.
	PropagationOrphan
)

// Delete deletes an object; done if it is already gone.
type Delete struct {
	// Nil: the event's own object, as it was shown to the handler.
	Target *ObjectKey
	// Only if the object still has this uid. Empty: whichever; implied for the event's own object.
	UID string
	// Seconds it has to end; nil: the kind's default.
	GracePeriodSeconds *uint32
	Propagation        Propagation
}

// Severity is the type of a Kubernetes Event.
type Severity uint8

const (
	// Normal: something happened.
	Normal Severity = iota
	// Warning: somebody should look.
	Warning
)

// Note is a Kubernetes Event. One that repeats is counted, not repeated.
type Note struct {
	// Nil: about the event's own object.
	Regarding *ObjectKey
	Severity  Severity
	// One CamelCase word of 1 to 128 bytes.
	Reason string
	// At most 1024 bytes; longer is cut.
	Message string
}

// Field is a name and a value.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// LogLine is a line in the handler's log, written once what comes before it has been done. (log/slog writes at once.)
type LogLine struct {
	Level   Level
	Message string
	Fields  []Field
}

// HTTP is a request that weir makes for the handler. The URL must be granted; an answer other than 2xx fails the call.
type HTTP struct {
	Method, URL string
	Headers     []Field
	Body        string
	// Sent as `Idempotency-Key`. Empty: one that is the same on every try of the same change.
	IdempotencyKey string
}

// RequeueAfter asks for another call for this object after a time, in milliseconds on the wire. The last one of an answer counts;
// each answer replaces the object's timer. More than 24 days are cut to that.
type RequeueAfter time.Duration

// Fail carries out the other actions, then counts the call as failed: say "not ready" in the status and try again.
type Fail struct{ Err error }

// Extension is something a later host understands.
type Extension struct{ Name, Payload string }

func (Annotations) action()  {}
func (Labels) action()       {}
func (Status) action()       {}
func (Patch) action()        {}
func (Apply) action()        {}
func (Create) action()       {}
func (Delete) action()       {}
func (Note) action()         {}
func (LogLine) action()      {}
func (HTTP) action()         {}
func (RequeueAfter) action() {}
func (Fail) action()         {}
func (Extension) action()    {}

// Annotate sets one annotation of the event's own object; a value that is no string is printed.
func Annotate(name string, value any) Action {
	return Annotations{{Name: name, Value: fmt.Sprint(value)}}
}

// RemoveAnnotation removes one.
func RemoveAnnotation(name string) Action { return Annotations{{Name: name, Remove: true}} }

// Label sets one label of the event's own object; a value that is no string is printed.
func Label(name string, value any) Action { return Labels{{Name: name, Value: fmt.Sprint(value)}} }

// RemoveLabel removes one.
func RemoveLabel(name string) Action { return Labels{{Name: name, Remove: true}} }

// SetStatus merges a value, as JSON, into the status of the event's own object.
func SetStatus(status any) Action { return Status{JSON: mustJSON(status)} }

// ApplyObject applies an object, as JSON, under the handler's own field manager.
func ApplyObject(object any) Action { return Apply{Manifest: mustJSON(object)} }

// CreateObject creates an object, as JSON, unless it exists.
func CreateObject(object any) Action { return Create{Manifest: mustJSON(object)} }

// Merge patches the event's own object with a value, as JSON merge patch.
func Merge(change any) Action { return Patch{Format: MergePatch, Body: mustJSON(change)} }

// DeleteObject deletes another object.
func DeleteObject(target ObjectKey) Action { return Delete{Target: &target} }

// EmitNormal records a Kubernetes Event about the event's own object: something happened.
func EmitNormal(reason, format string, args ...any) Action {
	return Note{Severity: Normal, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// EmitWarning records a Kubernetes Event about the event's own object: somebody should look.
func EmitWarning(reason, format string, args ...any) Action {
	return Note{Severity: Warning, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// FailWith carries out the other actions and then counts the call as failed with this error.
func FailWith(err error) Action { return Fail{Err: err} }

// check says what is wrong with one action of an answer, or nothing. Pointers to actions have the interface's method too, and are none.
func check(action Action) string {
	switch it := action.(type) {
	case Annotations, Labels, Status, Patch, Apply, Create, Delete, Note, LogLine, HTTP, RequeueAfter, Extension:
		return ""
	case Fail:
		if it.Err == nil {
			return "a failure without an error"
		}
		return ""
	case nil:
		return "nil"
	default:
		return fmt.Sprintf("a %T; answer with the value it points to", action)
	}
}

// What has no JSON (a channel, a NaN) is a mistake in the handler's source: it panics, which fails the call with its stack.
func mustJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Errorf("cannot write %T as JSON: %w", value, err))
	}
	return string(text)
}

// Milliseconds as the contract has them: none below zero, none beyond what 32 bits with a sign hold.
func milliseconds(duration time.Duration) uint32 {
	return uint32(min(max(duration.Milliseconds(), 0), math.MaxInt32))
}
