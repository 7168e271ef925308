module pod-retry

go 1.25

require weir.dev/weir v0.1.0

replace weir.dev/weir => ../../sdk/go
