// Package tests traces real programs on the real kernel. The programs, in
// programs/, print what they truly did; the tests compare the tracer with that.
package tests

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the directory the traced programs are built in.
var programs string

// built is for a machine without compilers, such as those of kernels/.
var built = flag.Bool("built", false, "leaktrace and the traced programs are in ../build, and up to date")

func TestMain(m *testing.M) {
	flag.Parse()
	if *underRights != 0 {
		os.Exit(traceUnderRights(*underRights))
	}
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "build the traced programs:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// build makes what is not up to date.
func build() error {
	out, err := filepath.Abs("../build/programs")
	if err != nil {
		return err
	}
	programs = out
	if *built {
		return nil
	}
	command := exec.Command("make", "--no-print-directory", "-C", "programs", "OUT="+out)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}
