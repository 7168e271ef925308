package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

// maxLoggedBody is how much of a request's body is kept.
const maxLoggedBody = 64 << 10

// requestLog appends one JSON line per request, when the answer is complete. A watch has two lines: one when it was let
// in, with `started` true and no code, and one when it ended. Each line is written in one call and so seen at once.
//
// The server's requests to itself are not in it. Tests assert on this file: it is what a client really sent.
type requestLog struct {
	lines sync.Mutex // held for one write, so that lines are not mixed
	file  *os.File   // nil: nothing is recorded
}

// entry is one line. Times are RFC 3339 with nanoseconds, of the request's arrival.
type entry struct {
	Time        time.Time `json:"time"`
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	Query       string    `json:"query"`
	UserAgent   string    `json:"userAgent"`
	User        string    `json:"user"`
	Impersonate string    `json:"impersonate,omitempty"`
	ContentType string    `json:"contentType"`
	Accept      string    `json:"accept"`
	Started     bool      `json:"started,omitempty"`
	Code        int       `json:"code,omitempty"`
	// Body is what was sent, if it was text: its first 64 KiB. BodyBytes counts all of it.
	Body      string `json:"body,omitempty"`
	BodyBytes int    `json:"bodyBytes,omitempty"`

	watch bool
}

type entryKey struct{}

func openRequestLog(path string) (*requestLog, error) {
	if path == "" {
		return &requestLog{}, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the request log: %w", err)
	}
	return &requestLog{file: file}, nil
}

func (l *requestLog) write(line *entry) {
	if line.User == user.APIServerUser {
		return
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		panic(err) // plain strings and numbers always encode
	}
	l.lines.Lock()
	defer l.lines.Unlock()
	_, _ = l.file.Write(append(encoded, '\n'))
}

// recording is the outermost handler.
func (l *requestLog) recording(inner http.Handler) http.Handler {
	if l.file == nil {
		return inner
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := &entry{
			Time: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, UserAgent: r.UserAgent(),
			Impersonate: r.Header.Get("Impersonate-User"), ContentType: r.Header.Get("Content-Type"), Accept: r.Header.Get("Accept"),
		}
		line.watch = r.Method == http.MethodGet && (r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1")
		body := &keptBody{ReadCloser: r.Body}
		status := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, line))
		r.Body = body
		defer func() {
			// A handler that times out may still be reading; the copy is taken under the body's lock.
			line := *line
			line.Code = status.code
			line.Body, line.BodyBytes = body.kept()
			l.write(&line)
		}()
		inner.ServeHTTP(responsewriter.WrapForHTTP1Or2(status), r)
	})
}

// noting wraps the authenticator: it is where the user becomes known, and a watch is let in.
func (l *requestLog) noting(inner authenticator.Request) authenticator.Request {
	return authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		reply, ok, err := inner.AuthenticateRequest(r)
		if line, found := r.Context().Value(entryKey{}).(*entry); found && ok {
			line.User = reply.User.GetName()
			if line.watch {
				started := *line
				started.Started = true
				l.write(&started)
			}
		}
		return reply, ok, err
	})
}

// keptBody remembers the beginning of what is read through it.
type keptBody struct {
	io.ReadCloser
	lock  sync.Mutex // a timed-out request is logged while its handler may still read
	start bytes.Buffer
	total int
}

func (b *keptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.lock.Lock()
	defer b.lock.Unlock()
	b.total += n
	b.start.Write(p[:min(n, maxLoggedBody-b.start.Len())])
	return n, err
}

func (b *keptBody) kept() (string, int) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if !utf8.Valid(b.start.Bytes()) && b.total <= maxLoggedBody {
		return "", b.total
	}
	return b.start.String(), b.total
}

// statusWriter remembers the status code.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
