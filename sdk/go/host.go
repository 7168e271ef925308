package weir

import (
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// Host is what a handler may ask while it is called. Inside weir it is weir; in a test it is whatever was given to [UseHost], by
// default one that has nothing to read and logs to standard error.
type Host interface {
	// Log writes one line at once.
	Log(level Level, message string, fields []Field)
	// Subject is the JSON at each RFC 6901 pointer of the event's own object; empty if there is nothing.
	Subject(pointers []string) ([]string, error)
	// Get is one object as JSON; empty if there is no such object.
	Get(key ObjectKey) (string, error)
	// ListPage is one page of a list.
	ListPage(query Query) (Page, error)
	// Settings is the handler's settings as a JSON object.
	Settings() string
	// NowMS is milliseconds since the Unix epoch.
	NowMS() float64
	// Features is what the host adds to the contract's first version.
	Features() []string
}

var host Host = home{}

// UseHost answers the handler's questions from another host, for a test, until the returned function is called. Package weirtest has
// one that is easy to fill. Not for several tests at once.
func UseHost(other Host) (restore func()) {
	before := host
	host = other
	return func() { host = before }
}

// ReadErrorKind is why a read was not answered.
type ReadErrorKind uint8

const (
	// Denied: not declared under Reads, not granted, or not kept by this watch; the text says what to add.
	Denied ReadErrorKind = iota
	// Invalid: the question itself is wrong.
	Invalid
	// Unavailable: not now; the cache is not complete yet. Return the error, and weir calls again.
	Unavailable
)

// ReadError is why a read was not answered.
type ReadError struct {
	Kind ReadErrorKind
	// For people.
	Text string
}

// Error is the text.
func (e *ReadError) Error() string { return e.Text }

// Query is which objects to list.
type Query struct {
	APIVersion string
	Kind       string
	// Empty: all namespaces, which a grant for some of them does not allow; empty also for cluster-scoped kinds.
	Namespace string
	// In Kubernetes' syntax, `app=web,tier!=test`; empty selects all.
	LabelSelector string
	// In Kubernetes' syntax, `spec.nodeName=a`; empty selects all.
	FieldSelector string
	// At most so many a page; 0 takes the default, 500, which is also the most.
	Limit uint32
	// Where the last page ended; empty for the first.
	Continue string
}

// Page is some of the objects.
type Page struct {
	// Objects as JSON.
	Items []string
	// Where to go on; empty if these were the last.
	Continue string
}

// Settings reads what the operator configured, checked against the SettingsSchema with defaults filled in. Settings that do not fit
// are a [Permanent] error.
func Settings(into any) error {
	if err := json.Unmarshal([]byte(host.Settings()), into); err != nil {
		return Permanent("cannot read the settings: %w", err)
	}
	return nil
}

// Now is the time. It is recorded, so that a replay sees the same.
func Now() time.Time { return time.UnixMilli(int64(host.NowMS())).UTC() }

// Features is what this host adds to the contract's first version.
func Features() []string { return host.Features() }

// Subject reads more of the event's own object than the event carries, at an RFC 6901 pointer; false if there is nothing.
func Subject(pointer string, into any) (bool, error) {
	found, err := host.Subject([]string{pointer})
	if err != nil {
		return false, reading(err)
	}
	if len(found) == 0 || found[0] == "" {
		return false, nil
	}
	return true, read(found[0], into)
}

// Get reads one object of a kind declared under Reads; false if there is no such object.
func Get(key ObjectKey, into any) (bool, error) {
	found, err := host.Get(key)
	if err != nil {
		return false, reading(err)
	}
	if found == "" {
		return false, nil
	}
	return true, read(found, into)
}

// ListPage reads one page of a list, in the order of namespace and name.
func ListPage(query Query) (Page, error) {
	page, err := host.ListPage(query)
	return page, reading(err)
}

// List reads a whole list, page by page, as JSON; each page is asked for when it is needed. It ends after an error.
func List(query Query) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for {
			page, err := ListPage(query)
			if err != nil {
				yield("", err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Continue == "" {
				return
			}
			query.Continue = page.Continue
		}
	}
}

// A question that is wrong or not allowed stays so; what is not there yet may come.
func reading(err error) error {
	var refused *ReadError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Kind != Unavailable:
		return Permanent("%w", err)
	default:
		return Retry("%w", err)
	}
}

func read(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return Permanent("cannot read what was found: %w", err)
	}
	return nil
}
