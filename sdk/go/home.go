package weir

import (
	"fmt"
	"os"
	"strings"
)

// home is the host where there is none: on the author's machine, under a plain `go test`.
type home struct{}

var _ Host = home{}

func (home) Log(level Level, message string, fields []Field) {
	line := strings.Builder{}
	fmt.Fprintf(&line, "%s %s", [...]string{"trace", "debug", "info", "warn", "error"}[level], message)
	for _, field := range fields {
		fmt.Fprintf(&line, " %s=%q", field.Name, field.Value)
	}
	fmt.Fprintln(os.Stderr, line.String())
}

var nothing = &ReadError{Kind: Unavailable, Text: "there is nothing to read outside of weir: use package weirtest"}

func (home) Subject([]string) ([]string, error) { return nil, nothing }
func (home) Get(ObjectKey) (string, error)      { return "", nothing }
func (home) ListPage(Query) (Page, error)       { return Page{}, nothing }
func (home) Settings() string                   { return "{}" }
func (home) NowMS() float64                     { return 0 }
func (home) Features() []string                 { return nil }
