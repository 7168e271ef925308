// Package weir is for handlers of Kubernetes resource events: functions from one event to a list of actions, compiled to a
// WebAssembly component that weir calls.
//
//	package main
//
//	import "weir.dev/weir"
//
//	func init() {
//		weir.Handle(weir.Description{
//			Description: "Annotates each node with the number of its images",
//			Watches:     []weir.Watch{{Name: "nodes", APIVersion: "v1", Kind: "Node", Fields: weir.Only("/status/images")}},
//			Wants:       weir.Wants{Write: []weir.Write{{APIVersion: "v1", Kind: "Node", Actions: []weir.Verb{weir.VerbAnnotate}}}},
//		}, count)
//	}
//
//	func count(event weir.Event) ([]weir.Action, error) {
//		var node struct{ Status struct{ Images []any } }
//		if err := event.Decode(&node); err != nil {
//			return nil, err
//		}
//		return []weir.Action{weir.Annotate("example.com/images", len(node.Status.Images))}, nil
//	}
//
//	func main() {} // never called; Go wants it
//
// `weir build` makes the component. What this package promises:
//
//   - An answer is data. Actions are carried out after the handler returned, in order, stopping at the first that fails; with an
//     error none is. Delivery is at least once, so answer with what should be, not with steps.
//   - An error means: try again, with backoff, up to the handler's retry limit. [RetryLater] says when, [Permanent] says never.
//   - A panic is such an error too. Its stack goes to the handler's log, and the instance lives on.
//   - log/slog and log write to the handler's log.
//   - Code is tested at home: everything here but the reads works under a plain `go test`, and package weirtest answers those.
//
// What is different inside a component: there are no files, no environment and no network; [Now] is the time, while time.Now
// starts at zero and hardly moves; time.Sleep returns at once; what is written to standard output is lost; math/rand and
// crypto/rand give the same numbers in each instance, so neither is for secrets.
package weir

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
)

// A Handler answers one event. It is never called twice at once for one object.
//
// An instance may be kept between calls, so a variable may remember things; but weir replaces instances when it likes and may run
// several. Memory is a cache, never a record: what must last belongs into the cluster.
type Handler func(Event) ([]Action, error)

var (
	registered  Handler
	description Description
)

// Handle says what this component is. Call it once, from an init function.
func Handle(what Description, handler Handler) {
	if registered != nil {
		panic("weir.Handle is called twice: a component is one handler; branch on Event.Watch instead")
	}
	description, registered = what, handler
}

// Describe is what weir is told at load: the description given to [Handle], as JSON. For the tests of a handler.
func Describe() (string, error) {
	if registered == nil {
		return "", fmt.Errorf("nothing called weir.Handle: call it from an init function of package main")
	}
	text, err := json.Marshal(description)
	return string(text), err
}

// Call calls the registered handler as weir does: a panic becomes an error, and its stack a line in the log. For the tests of a
// handler.
func Call(event Event) (actions []Action, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			host.Log(LevelError, fmt.Sprintf("the handler panicked: %v", cause), []Field{{Name: "stack", Value: string(debug.Stack())}})
			actions, err = nil, Retry("panic: %v", cause)
		}
	}()
	if registered == nil {
		return nil, Permanent("nothing called weir.Handle")
	}
	actions, err = registered(event)
	if err != nil {
		return nil, err
	}
	for at, action := range actions {
		if wrong := check(action); wrong != "" {
			return nil, Permanent("action %d of the handler's answer is %s", at+1, wrong)
		}
	}
	return actions, nil
}
