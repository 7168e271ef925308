package weir_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir.dev/weir"
	"weir.dev/weir/weirtest"
)

const node = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"u","resourceVersion":"7"},"status":{"images":[{},{}]}}`

// One handler for all tests: a component is one, and so is a test program.
var answer func(weir.Event) ([]weir.Action, error)

func init() {
	weir.Handle(weir.Description{Watches: []weir.Watch{{Name: "nodes", APIVersion: "v1", Kind: "Node"}}},
		func(event weir.Event) ([]weir.Action, error) { return answer(event) })
}

func TestWhatIsLeftAtItsZeroValueIsNotSaid(t *testing.T) {
	text, err := weir.Describe()
	if expected := `{"watches":[{"name":"nodes","apiVersion":"v1","kind":"Node"}]}`; err != nil || text != expected {
		t.Errorf("described as %s, %v", text, err)
	}
}

func TestADescriptionIsWrittenAsManifestsAre(t *testing.T) {
	description := weir.Description{
		Description: "d",
		Watches: []weir.Watch{
			{Name: "n", APIVersion: "v1", Kind: "Pod", Events: []weir.Change{weir.Added}, Fields: weir.Only("/a~1b"), Resync: weir.Duration(1500 * time.Millisecond)},
			{Name: "m", APIVersion: "v1", Kind: "Node", Fields: weir.Metadata(), Previous: true, Resync: weir.Duration(time.Minute)},
		},
		Wants: weir.Wants{Write: []weir.Write{{APIVersion: "v1", Kind: "Pod", Actions: []weir.Verb{weir.VerbSetStatus}, Force: true}}},
	}
	text, err := json.Marshal(description)
	expected := `{"description":"d","watches":[` +
		`{"name":"n","apiVersion":"v1","kind":"Pod","events":["added"],"fields":["/a~1b"],"resync":"1500ms"},` +
		`{"name":"m","apiVersion":"v1","kind":"Node","fields":[],"previous":true,"resync":"60s"}],` +
		`"wants":{"write":[{"apiVersion":"v1","kind":"Pod","actions":["set-status"],"force":true}]}}`
	if err != nil || string(text) != expected {
		t.Errorf("written as %s, %v", text, err)
	}
}

func TestAPanicIsAnErrorAndItsStackIsLogged(t *testing.T) {
	host := weirtest.Use(t, &weirtest.Host{})
	answer = func(weir.Event) ([]weir.Action, error) { panic("on purpose") }
	_, err := weir.Call(weirtest.Event(weir.Added, node))
	if err == nil || err.Error() != "panic: on purpose" {
		t.Errorf("the error is %v", err)
	}
	if len(host.Lines) != 1 || host.Lines[0].Level != weir.LevelError || !strings.Contains(host.Lines[0].Fields[0].Value, "weir_test.go") {
		t.Errorf("logged %v", host.Lines)
	}
}

func TestWhatIsNoActionIsAPermanentFailureAndNoTrap(t *testing.T) {
	for words, answered := range map[string][]weir.Action{
		"action 2 of the handler's answer is nil":                        {weir.RequeueAfter(time.Second), nil},
		"action 1 of the handler's answer is a *weir.HTTP":               {&weir.HTTP{}},
		"action 1 of the handler's answer is a failure without an error": {weir.FailWith(nil)},
	} {
		answer = func(weir.Event) ([]weir.Action, error) { return answered, nil }
		actions, err := weir.Call(weirtest.Event(weir.Added, node))
		var failure *weir.Failure
		if !errors.As(err, &failure) || failure.Kind != weir.KindPermanent || !strings.Contains(err.Error(), words) || actions != nil {
			t.Errorf("%q: %v, %v", words, actions, err)
		}
	}
}

func TestAFailureThatIsNilHasWordsAllTheSame(t *testing.T) {
	var none *weir.Failure
	answer = func(weir.Event) ([]weir.Action, error) { return nil, none }
	if _, err := weir.Call(weirtest.Event(weir.Added, node)); err == nil || err.Error() != "no reason was given" {
		t.Errorf("the error is %v", err)
	}
}

func TestAnObjectIsReadAndOneThatDoesNotFitIsNotTriedAgain(t *testing.T) {
	event := weirtest.Event(weir.Added, node)
	var into struct{ Status struct{ Images []any } }
	if err := event.Decode(&into); err != nil || len(into.Status.Images) != 2 {
		t.Errorf("read %v, %v", into, err)
	}
	if event.Key != (weir.ObjectKey{APIVersion: "v1", Kind: "Node", Name: "a"}) || event.UID != "u" || event.ResourceVersion != "7" {
		t.Errorf("the event is %v", event)
	}
	var wrong struct{ Status string }
	if err := event.Decode(&wrong); kind(err) != weir.KindPermanent || !strings.Contains(err.Error(), "v1/Node a") {
		t.Errorf("the error is %v", err)
	}
	if had, err := event.DecodePrevious(&into); had || err != nil {
		t.Errorf("there is a previous state: %v", err)
	}
}

func TestFailuresSayWhatShouldHappenHoweverTheyAreWrapped(t *testing.T) {
	cause := errors.New("cause")
	for _, one := range []struct {
		err  error
		kind weir.FailureKind
	}{
		{weir.Retry("r: %w", cause), weir.KindRetry},
		{fmt.Errorf("around: %w", weir.Permanent("p: %w", cause)), weir.KindPermanent},
		{weir.RetryLater(time.Second, "l: %w", cause), weir.KindRetryLater},
	} {
		if kind(one.err) != one.kind || !errors.Is(one.err, cause) {
			t.Errorf("%v is of kind %v", one.err, kind(one.err))
		}
	}
}

func TestActionsCompare(t *testing.T) {
	actions := []weir.Action{weir.Annotate("a", 1), weir.RemoveLabel("b"), weir.SetStatus(map[string]int{"c": 2}), weir.EmitWarning("R", "%d", 3)}
	expected := []weir.Action{
		weir.Annotations{{Name: "a", Value: "1"}}, weir.Labels{{Name: "b", Remove: true}}, weir.Status{JSON: `{"c":2}`},
		weir.Note{Severity: weir.Warning, Reason: "R", Message: "3"},
	}
	if !reflect.DeepEqual(actions, expected) {
		t.Errorf("%v", actions)
	}
}

func TestAListIsReadPageByPageAndNoFurtherThanAsked(t *testing.T) {
	host := weirtest.Use(t, &weirtest.Host{})
	for at := range 5 {
		host.Objects = append(host.Objects, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p%d"}}`, at))
	}
	count := 0
	for _, err := range weir.List(weir.Query{APIVersion: "v1", Kind: "Pod", Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		if count++; count == 3 {
			break
		}
	}
	if count != 3 || len(host.Queries) != 2 || host.Queries[1].Continue == "" {
		t.Errorf("%d objects by %v", count, host.Queries)
	}
}

func TestAReadThatIsDeniedIsNotTriedAgainAndOneThatIsNotReadyIs(t *testing.T) {
	host := weirtest.Use(t, &weirtest.Host{ReadError: &weir.ReadError{Kind: weir.Denied, Text: "add a grant"}})
	if _, err := weir.Get(weir.ObjectKey{}, nil); kind(err) != weir.KindPermanent || err.Error() != "add a grant" {
		t.Errorf("denied is %v", err)
	}
	host.ReadError = &weir.ReadError{Kind: weir.Unavailable, Text: "not yet"}
	if _, err := weir.Subject("/a", nil); kind(err) != weir.KindRetry {
		t.Errorf("unavailable is %v", err)
	}
}

func TestSettingsAndTimeAreTheHosts(t *testing.T) {
	weirtest.Use(t, &weirtest.Host{SettingsJSON: `{"percent":80}`, Now: 1_700_000_000_000})
	var settings struct{ Percent int }
	if err := weir.Settings(&settings); err != nil || settings.Percent != 80 {
		t.Errorf("settings %v, %v", settings, err)
	}
	if now := weir.Now(); now.Format(time.RFC3339) != "2023-11-14T22:13:20Z" {
		t.Errorf("now is %v", now)
	}
}

func TestSlogIsTheHandlersLog(t *testing.T) {
	host := weirtest.Use(t, &weirtest.Host{})
	slog.With("a", 1).WithGroup("g").Warn("text", "b", "two", slog.Group("h", "c", 3.5))
	expected := []weir.LogLine{{Level: weir.LevelWarn, Message: "text", Fields: []weir.Field{{"a", "1"}, {"g.b", "two"}, {"g.h.c", "3.5"}}}}
	if !reflect.DeepEqual(host.Lines, expected) {
		t.Errorf("logged %v", host.Lines)
	}
}

func kind(err error) weir.FailureKind {
	var failure *weir.Failure
	if errors.As(err, &failure) {
		return failure.Kind
	}
	return 255
}
