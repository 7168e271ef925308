// Package weirtest answers what a handler asks, for its tests.
//
//	func TestIt(t *testing.T) {
//		host := weirtest.Use(t, &weirtest.Host{SettingsJSON: `{"percent": 80}`})
//		actions, err := handle(weirtest.Event(weir.Updated, node))
//		…
//		if len(host.Lines) != 1 { … }
//	}
package weirtest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"weir.dev/weir"
)

// Host is a host with what it is filled with. Its zero value has nothing.
type Host struct {
	// The settings; empty: `{}`.
	SettingsJSON string
	// What [weir.Subject] finds, by pointer.
	SubjectAt map[string]string
	// What [weir.Get] and [weir.List] find, as JSON; the event's own object need not be among them.
	Objects []string
	// What every read fails with.
	ReadError error
	// What time it is, in milliseconds since the Unix epoch.
	Now float64
	// What the host adds to the contract's first version.
	FeatureNames []string
	// The lines logged so far.
	Lines []weir.LogLine
	// The questions asked so far by [weir.ListPage].
	Queries []weir.Query
}

var _ weir.Host = (*Host)(nil)

// Use answers a handler's questions, log/slog included, until the test ends. Not for parallel tests: a handler has one host.
func Use(t testing.TB, host *Host) *Host {
	t.Helper()
	log := slog.Default()
	slog.SetDefault(slog.New(weir.LogHandler()))
	restore := weir.UseHost(host)
	t.Cleanup(func() {
		restore()
		slog.SetDefault(log)
	})
	return host
}

// Event is a first call about an object, which is anything that has its JSON: a struct, a map, or the text itself. Key, uid and
// resourceVersion are the object's. It panics if that is no object.
func Event(change weir.Change, object any) weir.Event {
	text, isText := object.(string)
	if !isText {
		bytes, err := json.Marshal(object)
		if err != nil {
			panic(err)
		}
		text = string(bytes)
	}
	meta := metaOf(text)
	return weir.Event{
		Change:          change,
		Key:             meta.key(),
		UID:             meta.Metadata.UID,
		ResourceVersion: meta.Metadata.ResourceVersion,
		Object:          text,
		Attempt:         1,
	}
}

// Log notes the line.
func (h *Host) Log(level weir.Level, message string, fields []weir.Field) {
	h.Lines = append(h.Lines, weir.LogLine{Level: level, Message: message, Fields: fields})
}

// Subject answers from SubjectAt.
func (h *Host) Subject(pointers []string) ([]string, error) {
	found := make([]string, 0, len(pointers))
	for _, pointer := range pointers {
		found = append(found, h.SubjectAt[pointer])
	}
	return found, h.ReadError
}

// Get answers from Objects.
func (h *Host) Get(key weir.ObjectKey) (string, error) {
	for _, object := range h.Objects {
		if metaOf(object).key() == key {
			return object, h.ReadError
		}
	}
	return "", h.ReadError
}

// ListPage answers from Objects, by kind, namespace and limit. Selectors are noted and not evaluated: fill in what they would find.
func (h *Host) ListPage(query weir.Query) (weir.Page, error) {
	h.Queries = append(h.Queries, query)
	if h.ReadError != nil {
		return weir.Page{}, h.ReadError
	}
	var items []string
	for _, object := range h.Objects {
		key := metaOf(object).key()
		if key.APIVersion == query.APIVersion && key.Kind == query.Kind && (query.Namespace == "" || key.Namespace == query.Namespace) {
			items = append(items, object)
		}
	}
	limit := int(query.Limit)
	if limit == 0 {
		limit = 500
	}
	start := 0
	if query.Continue != "" {
		at, err := strconv.Atoi(strings.TrimPrefix(query.Continue, "from "))
		if err != nil || at > len(items) {
			return weir.Page{}, &weir.ReadError{Kind: weir.Invalid, Text: fmt.Sprintf("no such page: %q", query.Continue)}
		}
		start = at
	}
	end := min(start+limit, len(items))
	page := weir.Page{Items: items[start:end]}
	if end < len(items) {
		page.Continue = fmt.Sprintf("from %d", end)
	}
	return page, nil
}

// Settings answers SettingsJSON.
func (h *Host) Settings() string {
	if h.SettingsJSON == "" {
		return "{}"
	}
	return h.SettingsJSON
}

// NowMS answers Now.
func (h *Host) NowMS() float64 { return h.Now }

// Features answers FeatureNames.
func (h *Host) Features() []string { return h.FeatureNames }

type meta struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name            string `json:"name"`
		Namespace       string `json:"namespace"`
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
}

func (m meta) key() weir.ObjectKey {
	return weir.ObjectKey{APIVersion: m.APIVersion, Kind: m.Kind, Namespace: m.Metadata.Namespace, Name: m.Metadata.Name}
}

func metaOf(object string) meta {
	var found meta
	if err := json.Unmarshal([]byte(object), &found); err != nil {
		panic(fmt.Errorf("this is no object: %w: %s", err, object))
	}
	return found
}
