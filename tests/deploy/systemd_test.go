package deploy

import (
	"bytes"
	"testing"
)

// exposure is what systemd may find at most, of 100: 0 is a service that can do
// nothing. leaktrace has to read processes of others, the network and the kernel.
const exposure = "--threshold=26"

func TestUnit(t *testing.T) {
	unit := readFile(t, "systemd/leaktrace.service")
	installed := bytes.Replace(unit, []byte("/usr/local/bin/leaktrace"), []byte(built(t, "leaktrace")), 1)
	file := writeFile(t, t.TempDir(), "leaktrace.service", installed)
	if said := run(t, "systemd-analyze", "verify", file); said != "" {
		t.Error(said)
	}
	run(t, "systemd-analyze", "security", "--offline=true", exposure, file)
}
