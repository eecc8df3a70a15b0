package tracer

import (
	"os"
	"testing"

	"github.com/prometheus/procfs"
)

// Threads are judged by the image that their process has now, not by one that it had.
func TestShowsImage(t *testing.T) {
	self, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	stat, err := self.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const nobody = 1 << 30
	for name, test := range map[string]struct {
		p    process
		want bool
	}{
		"the image of now":        {process{pid: os.Getpid(), space: &space{startStack: stat.StartStack}}, true},
		"the image of its parent": {process{pid: os.Getpid(), space: &space{startStack: stat.StartStack - 4096}}, false},
		"no image is known":       {process{pid: os.Getpid()}, false},
		"the process has ended":   {process{pid: nobody, space: &space{}}, false},
	} {
		if got := test.p.shows(make(map[int]bool)); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
