package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// keptToken reads the admin's token from a file, or makes one and keeps it there, so that a client made before a restart
// of the server is still known after it.
func keptToken(file string) (string, error) {
	kept, err := os.ReadFile(file)
	if err == nil && len(kept) > 0 {
		return strings.TrimSpace(string(kept)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading the admin's token: %w", err)
	}
	token := rand.Text()
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return "", fmt.Errorf("keeping the admin's token: %w", err)
	}
	return token, nil
}

// authenticate knows one user, `admin` in system:masters, and those of the file; others are had by impersonation. A wrong
// token is refused with 401; no token at all is system:anonymous, as on a cluster. The server's own loopback user is added
// later, by k8s.io/apiserver itself.
func authenticate(token, file string) authenticator.Request {
	admin := &user.DefaultInfo{Name: "admin", Groups: []string{user.SystemPrivilegedGroup}}
	tokens := authenticator.TokenFunc(func(_ context.Context, given string) (*authenticator.Response, bool, error) {
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 {
			return &authenticator.Response{User: admin}, true, nil
		}
		name, err := userOf(given, file)
		if err != nil || name == "" {
			return nil, false, err
		}
		return &authenticator.Response{User: &user.DefaultInfo{Name: name, Groups: groupsOf(name)}}, true, nil
	})
	return union.NewFailOnError(group.NewAuthenticatedGroupAdder(bearertoken.New(tokens)), anonymous.NewAuthenticator(nil))
}

// userOf looks a token up in a file of TOKEN,USER lines. It is read each time, so that a test takes tokens away and gives others.
func userOf(token, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	lines, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the tokens: %w", err)
	}
	for line := range strings.Lines(string(lines)) {
		if known, name, ok := strings.Cut(strings.TrimSpace(line), ","); ok && known == token {
			return name, nil
		}
	}
	return "", nil
}

// groupsOf are the groups that a service account is in by its name.
func groupsOf(name string) []string {
	namespace, _, err := serviceaccount.SplitUsername(name)
	if err != nil {
		return nil
	}
	return serviceaccount.MakeGroupNames(namespace)
}

// writeKubeconfig writes the file in one step, so that whoever waits for it never reads half of it.
func writeKubeconfig(file, url string, ca []byte, token string) error {
	const name = "weir-test"
	config := api.NewConfig()
	config.Clusters[name] = &api.Cluster{Server: url, CertificateAuthorityData: ca}
	config.AuthInfos["admin"] = &api.AuthInfo{Token: token}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: "admin", Namespace: "default"}
	config.CurrentContext = name
	whole, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig: %w", err)
	}
	if err := os.WriteFile(file+".part", whole, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}
