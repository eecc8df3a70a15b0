package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kube "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// connect makes a client of core/v1 alone: a clientset of all that Kubernetes has
// would be half of leaktrace. It is nil where there is no cluster.
func connect(kubeconfig string) (client rest.Interface, server string, err error) {
	config, err := configuration(kubeconfig)
	if err != nil || config == nil {
		return nil, "", err
	}
	scheme := kube.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, "", err
	}
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.AcceptContentTypes = kube.ContentTypeProtobuf + "," + kube.ContentTypeJSON
	config.UserAgent = "leaktrace"
	config.WarningHandler = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &patient{next, answerHeader} })
	client, err = rest.RESTClientFor(config)
	if err != nil {
		return nil, "", fmt.Errorf("make a client of the API server %s: %w", config.Host, err)
	}
	return client, config.Host, nil
}

// configuration is nil where there is no cluster.
func configuration(kubeconfig string) (*rest.Config, error) {
	if listed := os.Getenv(clientcmd.RecommendedConfigPathEnvVar); kubeconfig != "" || listed != "" {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.ExplicitPath, rules.WarnIfAllMissing = kubeconfig, false
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("read the kubeconfig %s: %w", cmp.Or(kubeconfig, listed), err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	// A pod without a service account's token is not meant to ask.
	if errors.Is(err, rest.ErrNotInCluster) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the API server of this cluster: %w", err)
	}
	return config, nil
}

// answerHeader is how long the API server may take to begin an answer. How long a
// watch then lasts is its own business.
const answerHeader = 30 * time.Second

// patient waits for the beginning of an answer, but not for ever.
type patient struct {
	next http.RoundTripper
	wait time.Duration
}

func (p *patient) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	timer := time.AfterFunc(p.wait, func() { cancel(fmt.Errorf("no answer in %v", p.wait)) })
	response, err := p.next.RoundTrip(request.WithContext(ctx))
	if !timer.Stop() && err != nil && request.Context().Err() == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	response.Body = &cancelled{response.Body, cancel}
	return response, nil
}

// cancelled is a body whose request ends with it.
type cancelled struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (c *cancelled) Close() error {
	defer c.cancel(nil)
	return c.ReadCloser.Close()
}
