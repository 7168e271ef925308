// Package wit_types has the generic types that wit-bindgen's Go bindings are written with: option, result, tuple and unit.
// Its interface is theirs; the names are not Go's for that reason. Streams and futures are not in weir's contract and not here.
package wit_types

// The cases of an option and of a result.
const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// Option is a value or nothing. Its zero value is nothing.
type Option[T any] struct {
	some  bool
	value T
}

// Some is a value.
func Some[T any](value T) Option[T] { return Option[T]{some: true, value: value} }

// None is nothing.
func None[T any]() Option[T] { return Option[T]{} }

// Tag says which case this is.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Some is the value. It panics if there is none.
func (o Option[T]) Some() T {
	if !o.some {
		panic("the option is none")
	}
	return o.value
}

// SomeOr is the value, or another one if there is none.
func (o Option[T]) SomeOr(other T) T {
	if o.some {
		return o.value
	}
	return other
}

// Result is one of two values.
type Result[T, E any] struct {
	failed bool
	ok     T
	err    E
}

// Ok is the first.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{ok: value} }

// Err is the second.
func Err[T, E any](value E) Result[T, E] { return Result[T, E]{failed: true, err: value} }

// Tag says which case this is.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok is the first value. It panics if this is the second.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("the result is an error")
	}
	return r.ok
}

// Err is the second value. It panics if this is the first.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("the result is no error")
	}
	return r.err
}

// Tuple2 is two values.
type Tuple2[T0, T1 any] struct {
	F0 T0
	F1 T1
}

// Unit is no value.
type Unit struct{}
