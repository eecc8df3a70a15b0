// Package kubernetes runs leaktrace's DaemonSet in a real cluster of one node on
// this machine: etcd, the control plane, a kubelet, containerd and runc.
package kubernetes

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

var node *cluster

func TestMain(m *testing.M) {
	flag.Parse()
	// What is started ends with the thread that started it.
	runtime.LockOSThread()
	build, err := filepath.Abs("../../build")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(within(build, m.Run))
}

// within runs the tests in a cluster and takes it down, also when interrupted.
func within(build string, run func() int) (status int) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	var err error
	node, err = startCluster(build)
	defer func() {
		if err := node.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the cluster:", err)
			status = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start a cluster:", err)
		return 1
	}
	ended := make(chan int, 1)
	go func() { ended <- run() }()
	select {
	case status := <-ended:
		return status
	case s := <-interrupted:
		fmt.Fprintln(os.Stderr, "stopped by", s)
		return 1
	}
}
