package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	user     = "prometheus"
	password = "correct horse"
)

// web is how a leaktrace is reached that serves over TLS, to those with a password.
type web struct {
	address              string
	config, ca, password string // files
	client               *http.Client
}

func newWeb(t *testing.T) *web {
	t.Helper()
	dir := t.TempDir()
	certificate, key := selfSigned(t)
	w := &web{
		address:  freeAddress(t),
		ca:       writeFile(t, dir, "tls.crt", certificate),
		password: writeFile(t, dir, "password", []byte(password)),
	}
	keyFile := writeFile(t, dir, "tls.key", key)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	must(t, err)
	w.config = writeFile(t, dir, "web.yml", fmt.Appendf(nil,
		"tls_server_config:\n  cert_file: %s\n  key_file: %s\nbasic_auth_users:\n  %s: %s\n", w.ca, keyFile, user, hash))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	w.client = &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	return w
}

// get asks for a path, with the password or without.
func (w *web) get(path string, authorised bool) (status int, body string, err error) {
	request, err := http.NewRequest(http.MethodGet, "https://"+w.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	if authorised {
		request.SetBasicAuth(user, password)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// selfSigned makes a certificate for the loopback address, and its key, as PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "leaktrace"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// startExporter runs leaktrace with a configuration, and waits for its first snapshot.
func startExporter(t *testing.T, w *web, config string) *os.Process {
	t.Helper()
	process := start(t, built(t, "leaktrace"), "export", "--listen", w.address, "--node", "n1",
		"--web.config.file", w.config, "--config", config)
	eventually(t, "leaktrace", func() error {
		status, body, err := w.get("/readyz", true)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	return process
}
