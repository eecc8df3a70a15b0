package tracer

import (
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// capabilities is what leaktrace needs, and the wider one that serves too.
var capabilities = []struct {
	name       string
	bit, wider uint
}{
	{"CAP_BPF", unix.CAP_BPF, unix.CAP_SYS_ADMIN},
	{"CAP_PERFMON", unix.CAP_PERFMON, unix.CAP_SYS_ADMIN},
	{"CAP_SYS_PTRACE", unix.CAP_SYS_PTRACE, unix.CAP_SYS_PTRACE},
	{"CAP_DAC_READ_SEARCH", unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_READ_SEARCH},
}

// Capabilities names the capabilities leaktrace needs: to load programs, to
// attach them, to read other users' processes, and to read their files.
func Capabilities() []string {
	var names []string
	for _, c := range capabilities {
		names = append(names, c.name)
	}
	return names
}

// MissingCapabilities names those of them that this process lacks.
func MissingCapabilities() ([]string, error) {
	self, err := procfs.Self()
	if err != nil {
		return nil, fmt.Errorf("look at own capabilities: %w (is /proc mounted?)", err)
	}
	status, err := self.NewStatus()
	if err != nil {
		return nil, fmt.Errorf("look at own capabilities: %w", err)
	}
	var missing []string
	for _, c := range capabilities {
		if status.CapEff&(1<<c.bit|1<<c.wider) == 0 {
			missing = append(missing, c.name)
		}
	}
	return missing, nil
}

// checkCapabilities says what is missing, which the kernel's refusals do not.
func checkCapabilities(tuning Tuning) error {
	missing, err := MissingCapabilities()
	if err == nil && !tuning.AnyRights && len(missing) > 0 {
		err = fmt.Errorf("permission denied: leaktrace lacks %s; %s", strings.Join(missing, ", "), HowToGetCapabilities())
	}
	return err
}

// HowToGetCapabilities says what to do where some are missing: root lacks them in a
// container only.
func HowToGetCapabilities() string {
	if os.Geteuid() == 0 {
		return "give them to the container (--cap-add, or securityContext.capabilities.add)"
	}
	return "run it as root, or with sudo"
}
