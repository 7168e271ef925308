package main

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"weir.dev/weir"
	"weir.dev/weir/weirtest"
)

func aPod(name, failing string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":"d","uid":"u","annotations":{%q:%q}}}`, name, failures, failing)
}

func TestATryThatShallFailLeavesItsMarkAndFails(t *testing.T) {
	weirtest.Use(t, &weirtest.Host{Now: 5})
	event := weirtest.Event(weir.Added, aPod("a", "2"))
	event.Attempt = 2
	actions, err := weir.Call(event)
	if err != nil || len(actions) != 3 || !reflect.DeepEqual(actions[:2], []weir.Action{weir.Annotate(tried, 2), weir.Annotate(triedAt, 5)}) {
		t.Fatal(actions, err)
	}
	if failure, is := actions[2].(weir.Fail); !is || failure.Err.Error() != "try 2 of a failed, as 2 shall" {
		t.Error(actions[2])
	}
}

func TestATryThatShallNotFailCountsAllPodsPageByPage(t *testing.T) {
	host := weirtest.Use(t, &weirtest.Host{SettingsJSON: `{"pageSize":2}`})
	for at := range 5 {
		host.Objects = append(host.Objects, aPod(fmt.Sprint("p", at), "0"))
	}
	event := weirtest.Event(weir.Updated, aPod("a", "2"))
	event.Attempt = 3
	actions, err := weir.Call(event)
	if err != nil || !reflect.DeepEqual(actions, []weir.Action{weir.Annotate(handled, 3), weir.Annotate(pods, 5)}) {
		t.Error(actions, err)
	}
	if len(host.Queries) != 3 {
		t.Error(host.Queries)
	}
}

func TestTheManifestIsAppliedUnderItsOwnNameBeforeTheMark(t *testing.T) {
	weirtest.Use(t, &weirtest.Host{SettingsJSON: `{"manifest":{"kind":"Widget","metadata":{"name":"w"}},"force":true}`})
	actions, err := weir.Call(weirtest.Event(weir.Added, aPod("a", "0")))
	expected := weir.Apply{Manifest: `{"kind":"Widget","metadata":{"name":"w"}}`, Manager: "w", Force: true}
	if err != nil || len(actions) != 3 || actions[0] != expected {
		t.Error(actions, err)
	}
}

func TestAPodThatIsGoneIsSaid(t *testing.T) {
	actions, err := weir.Call(weirtest.Event(weir.Deleted, aPod("a", "9")))
	if err != nil || !reflect.DeepEqual(actions, []weir.Action{weir.EmitNormal("PodGone", "pod a is gone")}) {
		t.Error(actions, err)
	}
}

func TestWhatIsNoNumberIsNotTriedAgain(t *testing.T) {
	_, err := weir.Call(weirtest.Event(weir.Added, aPod("a", "many")))
	var failure *weir.Failure
	if !errors.As(err, &failure) || failure.Kind != weir.KindPermanent {
		t.Error(err)
	}
}
