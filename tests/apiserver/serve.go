package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	crdoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	authorizerpath "k8s.io/apiserver/pkg/authorization/path"
	authorizerunion "k8s.io/apiserver/pkg/authorization/union"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	nooptrace "go.opentelemetry.io/otel/trace/noop"
)

const (
	// readyTimeout bounds the start; on a busy machine it takes about a second.
	readyTimeout = 60 * time.Second
	readyPoll    = 20 * time.Millisecond
	// watchGrace is how long open watches may delay the end. At zero the server would wait for them without end.
	watchGrace = time.Second
	resync     = 10 * time.Minute
)

// serveOptions are the flags of `serve`. run and etcd bring kube-apiserver's own flags with them.
type serveOptions struct {
	etcdURL    string
	port       int
	certDir    string
	kubeconfig string
	requestLog string
	tokens     string
	run        *genericoptions.ServerRunOptions
	etcd       *genericoptions.EtcdOptions
}

func parseServe(args []string) (*serveOptions, error) {
	o := &serveOptions{
		run:  genericoptions.NewServerRunOptions(),
		etcd: genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", nil)),
	}
	o.run.ShutdownWatchTerminationGracePeriod = watchGrace
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.run.AddUniversalFlags(flags)
	o.etcd.AddFlags(flags)
	flags.StringVar(&o.etcdURL, "etcd", "", "URL of an etcd; servers may share one with different --etcd-prefix")
	flags.IntVar(&o.port, "port", 0, "port on 127.0.0.1; 0 takes a free one")
	flags.StringVar(&o.certDir, "cert-dir", "", "keeps the certificate and the admin's token across restarts; default: the kubeconfig's directory")
	flags.StringVar(&o.kubeconfig, "kubeconfig-out", "", "file to write an admin's kubeconfig to")
	flags.StringVar(&o.requestLog, "request-log", "", "file to append one JSON line per request to")
	flags.StringVar(&o.tokens, "tokens", "", "file with one TOKEN,USER in each line, read anew for each request; users are in no group but those of their kind")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.etcdURL == "" || o.kubeconfig == "" {
		return nil, errors.New("--etcd and --kubeconfig-out are required")
	}
	if o.certDir == "" {
		o.certDir = filepath.Dir(o.kubeconfig)
	}
	o.etcd.StorageConfig.Transport.ServerList = []string{o.etcdURL}
	return o, nil
}

// runServe serves the API until ctx ends.
func runServe(ctx context.Context, args []string) error {
	klog.SetOutput(os.Stderr)
	klog.LogToStderr(false)
	o, err := parseServe(args)
	if err != nil {
		return err
	}
	token, err := keptToken(filepath.Join(o.certDir, "admin.token"))
	if err != nil {
		return err
	}
	log, err := openRequestLog(o.requestLog)
	if err != nil {
		return err
	}
	config, listener, err := o.config(token, log)
	if err != nil {
		return err
	}
	server, err := o.server(config)
	if err != nil {
		return err
	}
	url := "https://" + listener.Addr().String()
	certificate, _ := config.SecureServing.Cert.CurrentCertKeyContent()
	if err := writeKubeconfig(o.kubeconfig, url, certificate, token); err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		if err := awaitReady(ctx, server.LoopbackClientConfig); err != nil {
			cancel(err)
			return
		}
		if err := announce(ready{URL: url, Kubeconfig: o.kubeconfig}); err != nil {
			cancel(err)
		}
	}()
	if err := server.PrepareRun().RunWithContext(ctx); err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// config is everything short of the servers themselves. The order follows what k8s.io/apiserver needs of each other:
// feature gates first, then the listener, its certificate, the loopback client, and what watches through that client.
func (o *serveOptions) config(token string, log *requestLog) (*genericapiserver.RecommendedConfig, net.Listener, error) {
	if err := o.run.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, nil, fmt.Errorf("setting feature gates: %w", err)
	}
	if err := o.run.Complete(); err != nil {
		return nil, nil, err
	}
	config := genericapiserver.NewRecommendedConfig(apiextensions.Codecs)
	if err := o.run.ApplyTo(&config.Config); err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", o.port))
	if err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	serving := genericoptions.NewSecureServingOptions().WithLoopback()
	serving.Listener = listener
	serving.BindAddress = net.IPv4(127, 0, 0, 1)
	serving.ServerCert.CertDirectory = o.certDir
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, nil, fmt.Errorf("making a certificate: %w", err)
	}
	if err := serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, nil, err
	}
	// Tests start and stop servers in a hurry; client-go's default of 5 requests a second would slow the bootstrap.
	config.LoopbackClientConfig.QPS = -1
	client, err := kubernetes.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return nil, nil, err
	}
	config.SharedInformerFactory = informers.NewSharedInformerFactory(client, resync)
	config.ClientConfig = config.LoopbackClientConfig
	config.ExternalAddress = listener.Addr().String()

	config.Authentication.Authenticator = log.noting(authenticate(token, o.tokens))
	if config.Authorization.Authorizer, err = authorize(config.SharedInformerFactory); err != nil {
		return nil, nil, err
	}
	config.BuildHandlerChainFunc = func(api http.Handler, c *genericapiserver.Config) http.Handler {
		return log.recording(genericapiserver.DefaultBuildHandlerChain(api, c))
	}
	namespaces, err := lifecycle.NewLifecycle(sets.NewString(metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic))
	if err != nil {
		return nil, nil, err
	}
	namespaces.SetExternalKubeClientSet(client)
	namespaces.SetExternalKubeInformerFactory(config.SharedInformerFactory)
	if err := namespaces.ValidateInitialization(); err != nil {
		return nil, nil, err
	}
	config.AdmissionControl = admission.NewChainHandler(namespaces)
	config.MergedResourceConfig = apiextensions.DefaultAPIResourceConfigSource()
	config.OpenAPIConfig, config.OpenAPIV3Config = openAPI()
	return config, listener, nil
}

// server makes the API server for custom resources and installs the built-in groups into it. One server then does
// discovery, OpenAPI, readiness and storage; paths no built-in group claims go to custom resources.
func (o *serveOptions) server(config *genericapiserver.RecommendedConfig) (*genericapiserver.GenericAPIServer, error) {
	// Three views of one etcd, which differ in the codec: definitions, built-in kinds, custom resources.
	definitions, builtin := *o.etcd, *o.etcd
	definitions.StorageConfig.Codec = apiextensions.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion)
	builtin.StorageConfig.Codec = storageCodec
	if err := definitions.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	builtin.StorageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	wrapper := webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, config.LoopbackClientConfig, nooptrace.NewTracerProvider())
	crds := &apiextensions.Config{
		GenericConfig: config,
		ExtraConfig: apiextensions.ExtraConfig{
			CRDRESTOptionsGetter: crdoptions.NewCRDRESTOptionsGetter(definitions, config.ResourceTransformers, config.StorageObjectCountTracker),
			MasterCount:          1,
			ServiceResolver:      webhook.NewDefaultServiceResolver(),
			AuthResolverWrapper:  wrapper,
		},
	}
	completed := crds.Complete()
	// Complete switches discovery off, because in kube-apiserver another server of the chain does it.
	completed.GenericConfig.EnableDiscovery = true
	extensions, err := completed.New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("making the server: %w", err)
	}
	server := extensions.GenericAPIServer
	kinds := &builtins{
		server:     server,
		options:    builtin.CreateRESTOptionsGetter(&genericoptions.SimpleStorageFactory{StorageConfig: builtin.StorageConfig}, config.ResourceTransformers),
		admission:  config.AdmissionControl,
		minTimeout: config.MinRequestTimeout,
		maxBody:    config.MaxRequestBodyBytes,
	}
	if err := kinds.install(); err != nil {
		return nil, err
	}
	if err := addControllers(server, extensions.Informers, config.SharedInformerFactory); err != nil {
		return nil, err
	}
	return server, nil
}

// authorize: health and version for everybody, everything for system:masters, the rest by RBAC.
func authorize(factory informers.SharedInformerFactory) (authorizer.Authorizer, error) {
	open, err := authorizerpath.NewAuthorizer([]string{"/healthz", "/healthz/*", "/livez", "/livez/*", "/readyz", "/readyz/*", "/version"})
	if err != nil {
		return nil, err
	}
	return authorizerunion.New(open, authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup), newRBAC(factory)), nil
}

// awaitReady returns once /readyz answers 200.
func awaitReady(ctx context.Context, config *rest.Config) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("/readyz was not ok within %s", readyTimeout))
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/readyz", nil)
		if err != nil {
			return err
		}
		if reply, err := client.Do(request); err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
