// Command weir-test-apiserver is a Kubernetes API for tests, made of the parts kube-apiserver itself is made of:
// k8s.io/apiserver, k8s.io/apiextensions-apiserver and an embedded etcd.
//
// What it promises:
//   - Requests are handled by Kubernetes' own code: storage in etcd, watch cache, field manager, paging, patches, custom
//     resources, discovery. Only the table of built-in kinds, their thin strategies and the RBAC evaluation are ours.
//   - It listens on 127.0.0.1 alone, prints exactly one JSON line on standard output, and prints it only once /readyz is ok.
//   - It ends when its standard input is closed, so that it never outlives the test that started it; also on SIGTERM and SIGINT.
//
// What it does not: validation and defaulting of specs beyond a few fields, controllers, garbage collection by owner,
// webhooks, quota. README.md has the list.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ready is the one line printed on standard output.
type ready struct {
	Ready      bool   `json:"ready"`
	URL        string `json:"url"`
	Kubeconfig string `json:"kubeconfig,omitempty"`
}

const usage = `usage:
  weir-test-apiserver etcd  --data-dir DIR [--discard] [--port P]
  weir-test-apiserver serve --etcd URL --kubeconfig-out FILE [--etcd-prefix PREFIX] [--port P] [--cert-dir DIR]
                            [--request-log FILE] [--feature-gates A=true,B=false] [flags of kube-apiserver, see --help]
Both print one JSON line when ready, and end when standard input is closed.
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx = untilStdinCloses(ctx)

	var err error
	switch os.Args[1] {
	case "etcd":
		err = runEtcd(ctx, os.Args[2:])
	case "serve":
		err = runServe(ctx, os.Args[2:])
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "weir-test-apiserver %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// untilStdinCloses is cancelled with ctx, or when standard input ends. What arrives there is read and dropped.
func untilStdinCloses(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

// announce prints the line a launcher waits for.
func announce(line ready) error {
	line.Ready = true
	return json.NewEncoder(os.Stdout).Encode(line)
}
