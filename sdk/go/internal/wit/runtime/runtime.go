//go:build wasip1

// Package wit_runtime gives the host memory to write into. Its interface is what wit-bindgen's Go bindings ask for.
//
// Go's collector does not move what it manages, so memory stays where the host was told as long as somebody refers to it. What
// the host asked for is referred to from here until Unpin; by then the bindings have made strings of it, which refer to it
// themselves.
package wit_runtime

import (
	"runtime"
	"unsafe"
)

// What the host was given since the last Unpin; as many as the arguments or the result of one call have parts.
var given []unsafe.Pointer

// Allocate is memory of so many bytes that stays while the pinner pins it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	pointer := allocate(size, align)
	if pointer != nil {
		pinner.Pin(pointer)
	}
	return pointer
}

// Unpin lets go of what the host was given.
func Unpin() {
	clear(given)
	given = given[:0]
}

// The host's way to ask for memory. It never asks to change what it has, which would need the old contents.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("cabi_realloc: asked to grow an allocation, which the canonical ABI does only for strings in other encodings")
	}
	pointer := allocate(size, align)
	if pointer != nil {
		given = append(given, pointer)
	}
	return pointer
}

// Memory without pointers, aligned for what it will hold.
func allocate(size, align uintptr) unsafe.Pointer {
	switch {
	case size == 0:
		return nil
	case align == 1:
		return unsafe.Pointer(unsafe.SliceData(make([]byte, size)))
	default:
		return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	}
}
