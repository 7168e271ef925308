package main

import (
	"reflect"
	"testing"

	"weir.dev/weir"
	"weir.dev/weir/weirtest"
)

func TestImagesAreCounted(t *testing.T) {
	node := `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"},"status":{"images":[{"names":["a"]},{"names":["b"]}]}}`
	actions, err := handle(weirtest.Event(weir.Updated, node))
	if err != nil || !reflect.DeepEqual(actions, []weir.Action{weir.Annotate("example.com/images", 2)}) {
		t.Error(actions, err)
	}
}
