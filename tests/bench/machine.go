package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is where and when figures were measured.
type machine struct {
	Date   string  `json:"date"`
	CPU    string  `json:"cpu"`
	CPUs   int     `json:"cpus"`
	Kernel string  `json:"kernel"`
	System string  `json:"system"`
	Load   float64 `json:"load"` // of a minute, before the run
}

func thisMachine() (machine, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return machine{}, fmt.Errorf("ask for the kernel's name: %w", err)
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return machine{}, err
	}
	m := machine{
		Date:   time.Now().Format(time.DateOnly),
		CPU:    field("/proc/cpuinfo", "model name", ":"),
		CPUs:   runtime.NumCPU(),
		Kernel: unix.ByteSliceToString(name.Release[:]),
		System: strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`),
	}
	_, err = fmt.Sscan(string(load), &m.Load)
	return m, err
}

// field returns the value of the first line that begins with a name.
func field(path, name, separator string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, separator)
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func (m machine) String() string {
	return fmt.Sprintf("%s: %d × %s, Linux %s, %s, load %.1f before the run", m.Date, m.CPUs, m.CPU, m.Kernel, m.System, m.Load)
}
