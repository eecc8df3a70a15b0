package kubernetes

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// patience bounds every wait. A node is ready after some seconds.
	patience = time.Minute
	// cgroupRoot is the cgroup that all pods are in.
	cgroupRoot = "leaktrace-test"
	apiServer  = "https://127.0.0.1:26443"
)

// cluster is a control plane and a node.
type cluster struct {
	build string // where programs and images are
	dir   string // of this run
	// started holds what was started, in this order.
	started []*component
}

// component is a process of the cluster.
type component struct {
	name string
	cmd  *exec.Cmd
	log  string
}

// startCluster starts everything. What was started must be stopped also when it
// returns an error.
func startCluster(build string) (*cluster, error) {
	c := &cluster{build: build}
	var err error
	if c.dir, err = os.MkdirTemp("", "leaktrace-kubernetes"); err != nil {
		return c, err
	}
	for _, start := range []func() error{c.writeCredentials, c.startControlPlane, makeCgroups, c.startNode} {
		if err := start(); err != nil {
			return c, err
		}
	}
	if err := await("a node that is ready", c.nodeReady); err != nil {
		return c, fmt.Errorf("%w\n%s", err, c.said("kubelet"))
	}
	return c, nil
}

func (c *cluster) nodeReady() error {
	out, err := c.kubectl("get", "node", "vm")
	if err == nil && !strings.Contains(out, " Ready") {
		err = errors.New(out)
	}
	return err
}

// writeCredentials writes the key of service accounts, and the one user's token.
func (c *cluster) writeCredentials() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "c", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}],
		"users": [{"name": "c", "user": {"token": "admin"}}],
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}`, apiServer)
	return errors.Join(
		c.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		c.write("sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		c.write("tokens", []byte("admin,admin,admin,system:masters\n")),
		c.write("kubeconfig", []byte(kubeconfig)),
	)
}

func (c *cluster) startControlPlane() error {
	const etcd, peers = "http://127.0.0.1:23790", "http://127.0.0.1:23800"
	if err := c.start("etcd", c.program("etcd"), "--data-dir", c.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peers,
		"--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers); err != nil {
		return err
	}
	if err := c.start("apiserver", c.program("kube"), "apiserver", "--etcd-servers="+etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=26443", "--cert-dir="+c.path("apiserver"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.path("sa.pub"),
		"--service-account-signing-key-file="+c.path("sa.key"), "--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC,Node", "--token-auth-file="+c.path("tokens"), "--endpoint-reconciler-type=none"); err != nil {
		return err
	}
	if err := await("the API server", c.apiServerReady); err != nil {
		return fmt.Errorf("%w\n%s", err, c.said("apiserver"))
	}
	if err := c.start("controllers", c.program("kube"), "controller-manager", "--kubeconfig="+c.path("kubeconfig"),
		"--bind-address=127.0.0.1", "--secure-port=26257", "--cert-dir="+c.path("controllers"), "--leader-elect=false",
		"--service-account-private-key-file="+c.path("sa.key"), "--root-ca-file="+c.path("apiserver/apiserver.crt")); err != nil {
		return err
	}
	return c.start("scheduler", c.program("kube"), "scheduler", "--kubeconfig="+c.path("kubeconfig"),
		"--bind-address=127.0.0.1", "--secure-port=26259", "--cert-dir="+c.path("scheduler"), "--leader-elect=false")
}

// apiServerReady asks as any user of the cluster would.
func (c *cluster) apiServerReady() error {
	request, err := http.NewRequest(http.MethodGet, apiServer+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer admin")
	// It has made its certificate itself.
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// start starts a component, which ends with this process at the latest.
func (c *cluster) start(name, program string, args ...string) error {
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.started = append(c.started, &component{name, cmd, log.Name()})
	return nil
}

// kubectl runs kubectl and returns what it says.
func (c *cluster) kubectl(args ...string) (string, error) {
	cmd := exec.Command(c.program("kubectl"), append([]string{"--kubeconfig", c.path("kubeconfig")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// end ends one component.
func (c *cluster) end(name string, s os.Signal) {
	for _, component := range c.started {
		if component.name != name || component.cmd.ProcessState != nil {
			continue
		}
		_ = component.cmd.Process.Signal(s)
		kill := time.AfterFunc(10*time.Second, func() { _ = component.cmd.Process.Kill() })
		_ = component.cmd.Wait() // it ends by the signal
		kill.Stop()
	}
}

// said is the end of a component's log.
func (c *cluster) said(name string) string {
	f, err := os.Open(c.path(name + ".log"))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-4000), io.SeekStart)
	}
	text, _ := io.ReadAll(f)
	return name + ": " + string(text)
}

func (c *cluster) path(name string) string    { return filepath.Join(c.dir, name) }
func (c *cluster) program(name string) string { return filepath.Join(c.build, "kubernetes", name) }

func (c *cluster) write(name string, content []byte) error {
	return os.WriteFile(c.path(name), content, 0o600)
}

// await tries until there is no error.
func await(what string, try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited for %s: %w", what, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
