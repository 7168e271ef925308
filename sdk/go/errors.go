package weir

import (
	"errors"
	"fmt"
	"time"
)

// FailureKind is what should happen after a failure.
type FailureKind uint8

const (
	// KindRetry: try again with backoff, up to the handler's retry limit; then it is a dead letter.
	KindRetry FailureKind = iota
	// KindRetryLater: try again after a time; counts towards the limit too.
	KindRetryLater
	// KindPermanent: trying again cannot help; a dead letter at once.
	KindPermanent
)

// Failure is an error that says what should happen next. Any other error is like one of [KindRetry].
type Failure struct {
	Kind FailureKind
	// With KindRetryLater; cut to milliseconds.
	After time.Duration
	cause error
}

// Error is the failure's text, for people; weir cuts it at 4 KiB.
func (f *Failure) Error() string {
	if f == nil || f.cause == nil {
		return "no reason was given"
	}
	return f.cause.Error()
}

// Unwrap is what the failure was made of.
func (f *Failure) Unwrap() error {
	if f == nil {
		return nil
	}
	return f.cause
}

// Retry is an error after which the handler is called again, with backoff. The format is [fmt.Errorf]'s, with %w.
func Retry(format string, args ...any) error {
	return &Failure{Kind: KindRetry, cause: fmt.Errorf(format, args...)}
}

// RetryLater is an error after which the handler is called again after a time.
func RetryLater(after time.Duration, format string, args ...any) error {
	return &Failure{Kind: KindRetryLater, After: after, cause: fmt.Errorf(format, args...)}
}

// Permanent is an error that trying again cannot help.
func Permanent(format string, args ...any) error {
	return &Failure{Kind: KindPermanent, cause: fmt.Errorf(format, args...)}
}

// failureOf is what an error says should happen: the outermost Failure in its chain, with the text of the whole chain.
func failureOf(err error) Failure {
	var failure *Failure
	if !errors.As(err, &failure) || failure == nil {
		return Failure{Kind: KindRetry, cause: err}
	}
	return Failure{Kind: failure.Kind, After: failure.After, cause: err}
}
