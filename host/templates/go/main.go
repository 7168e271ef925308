// A weir handler that annotates each node with the number of its images.
package main

import "weir.dev/weir"

func init() {
	weir.Handle(weir.Description{
		Description: "Annotates each node with the number of its images",
		Watches:     []weir.Watch{{Name: "nodes", APIVersion: "v1", Kind: "Node", Fields: weir.Only("/status/images")}},
		Wants: weir.Wants{Write: []weir.Write{
			{APIVersion: "v1", Kind: "Node", Actions: []weir.Verb{weir.VerbAnnotate}},
		}},
	}, handle)
}

// What this handler looks at.
type node struct {
	Status struct{ Images []any }
}

func handle(event weir.Event) ([]weir.Action, error) {
	var seen node
	if err := event.Decode(&seen); err != nil {
		return nil, err
	}
	return []weir.Action{weir.Annotate("example.com/images", len(seen.Status.Images))}, nil
}

// Never called: weir calls what was given to weir.Handle.
func main() {}
