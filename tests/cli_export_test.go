package tests

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// page waits until a page matches; negated, until it does not. Certificates are
// those of the scripts, which nobody has signed.
func page(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, false, args, 2, "page URL PATTERN")
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	client := http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		Timeout:   patience,
	}
	var body string
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if body, err = read(&client, args[0]); err == nil && pattern.MatchString(body) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: match of %s is %t, error %v, in\n%s", args[0], pattern, neg, err, body)
		}
	}
}

func read(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d\n%s", response.StatusCode, body), err
}

// unit makes a cgroup that is called as a systemd unit's. Its name is then in
// $NAME, and the file that moves processes into it in $NAME_PROCS. What is made in it
// goes with it.
func unit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "unit NAME")
	root := ts.MkAbs("cgroup2")
	if err := os.Mkdir(root, 0o755); err == nil {
		ts.Check(unix.Mount("none", root, "cgroup2", 0, ""))
		ts.Defer(func() { ts.Check(unix.Unmount(root, unix.MNT_DETACH)) })
	}
	name := fmt.Sprintf("leaktrace-%d-%d.service", os.Getpid(), cgroupsMade.Add(1))
	dir := filepath.Join(root, name)
	ts.Check(os.Mkdir(dir, 0o755))
	ts.Defer(func() {
		groups, err := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
		ts.Check(err)
		for _, procs := range append(groups, filepath.Join(dir, "cgroup.procs")) {
			ts.Check(removeGroup(filepath.Dir(procs)))
		}
	})
	ts.Setenv(args[0], name)
	ts.Setenv(args[0]+"_PROCS", filepath.Join(dir, "cgroup.procs"))
}

// removeGroup waits for the last process to be gone.
func removeGroup(dir string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(dir)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}
