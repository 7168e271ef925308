package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdStart bounds how long etcd may take to elect itself.
const etcdStart = 30 * time.Second

// runEtcd serves one etcd member from a directory until ctx ends. It does not fsync: a test's data need not survive a
// power cut, and fsync is most of the time a write takes.
func runEtcd(ctx context.Context, args []string) error {
	flags := pflag.NewFlagSet("etcd", pflag.ContinueOnError)
	dir := flags.String("data-dir", "", "where etcd keeps its files; made if absent")
	discard := flags.Bool("discard", false, "remove the data directory at the end")
	port := flags.Int("port", 0, "port on 127.0.0.1 for clients; 0 takes a free one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("--data-dir is required")
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if *discard {
		defer os.RemoveAll(*dir)
	}

	if *port == 0 {
		free, err := freePort()
		if err != nil {
			return fmt.Errorf("finding a free port: %w", err)
		}
		*port = free
	}
	client := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", *port)}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = *dir
	config.ListenClientUrls = []url.URL{client}
	config.AdvertiseClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertisePeerUrls = []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}

	server, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("starting etcd: %w", err)
	}
	defer server.Close()
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		return fmt.Errorf("etcd failed while starting: %w", err)
	case <-time.After(etcdStart):
		return fmt.Errorf("etcd was not ready within %s", etcdStart)
	case <-ctx.Done():
		return nil
	}
	if err := announce(ready{URL: "http://" + server.Clients[0].Addr().String()}); err != nil {
		return err
	}
	select {
	case err := <-server.Err():
		return fmt.Errorf("etcd stopped: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// freePort is given up again before etcd takes it. etcd could take a free one itself, but then its JSON gateway, which
// tests use to compact, would not know where to connect to.
func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
