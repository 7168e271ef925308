module example.com/first-handler

go 1.25

require weir.dev/weir v0.1.0

// Written there by `weir new`, and again by `weir build`.
replace weir.dev/weir => ./.weir/go
