package weir

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
)

// Level is how loud a log line is.
type Level uint8

const (
	// LevelTrace: every step; for the handler's author.
	LevelTrace Level = iota
	// LevelDebug: what helps to find a mistake.
	LevelDebug
	// LevelInfo: what an operator may like to know.
	LevelInfo
	// LevelWarn: what an operator should look at some time.
	LevelWarn
	// LevelError: what an operator should look at now.
	LevelError
)

// LogHandler is the handler's log for log/slog, whose default it is inside weir. Groups become `group.name`.
func LogHandler() slog.Handler { return logHandler{} }

type logHandler struct {
	prefix string
	fields []Field
}

// Enabled is always so: what is logged is the operator's choice, made outside.
func (logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (l logHandler) Handle(_ context.Context, record slog.Record) error {
	fields := append([]Field(nil), l.fields...)
	record.Attrs(func(attribute slog.Attr) bool {
		fields = flatten(fields, l.prefix, attribute)
		return true
	})
	host.Log(levelOf(record.Level), record.Message, fields)
	return nil
}

func (l logHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	fields := append([]Field(nil), l.fields...)
	for _, attribute := range attributes {
		fields = flatten(fields, l.prefix, attribute)
	}
	return logHandler{prefix: l.prefix, fields: fields}
}

func (l logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return l
	}
	return logHandler{prefix: l.prefix + name + ".", fields: l.fields}
}

func flatten(fields []Field, prefix string, attribute slog.Attr) []Field {
	value := attribute.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		if attribute.Key == "" {
			return fields
		}
		return append(fields, Field{Name: prefix + attribute.Key, Value: fmt.Sprint(value.Any())})
	}
	if attribute.Key != "" {
		prefix += attribute.Key + "."
	}
	for _, inner := range value.Group() {
		fields = flatten(fields, prefix, inner)
	}
	return fields
}

func levelOf(level slog.Level) Level {
	switch {
	case level < slog.LevelDebug:
		return LevelTrace
	case level < slog.LevelInfo:
		return LevelDebug
	case level < slog.LevelWarn:
		return LevelInfo
	case level < slog.LevelError:
		return LevelWarn
	default:
		return LevelError
	}
}

// lines is an [io.Writer] for package log: each write is one line at a level.
type lines struct{ level Level }

var _ io.Writer = lines{}

func (l lines) Write(text []byte) (int, error) {
	host.Log(l.level, string(bytes.TrimRight(text, "\n")), nil)
	return len(text), nil
}
