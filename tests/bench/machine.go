package main

import (
	"errors"
	"fmt"
	"io"
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
	// Tasks and files of the whole machine: a snapshot looks at them all.
	Tasks int `json:"tasks"`
	Files int `json:"files"`
	// Note is what a reader of kept figures must know, written by hand.
	Note string `json:"note,omitempty"`
}

func thisMachine() (machine, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return machine{}, fmt.Errorf("ask for the kernel's name: %w", err)
	}
	load, err1 := os.ReadFile("/proc/loadavg")
	files, err2 := os.ReadFile("/proc/sys/fs/file-nr")
	if err := errors.Join(err1, err2); err != nil {
		return machine{}, err
	}
	m := machine{
		Date:   time.Now().Format(time.DateOnly),
		CPU:    field("/proc/cpuinfo", "model name", ":"),
		CPUs:   runtime.NumCPU(),
		Kernel: unix.ByteSliceToString(name.Release[:]),
		System: strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`),
	}
	var running int
	_, err1 = fmt.Sscanf(string(load), "%f %f %f %d/%d", &m.Load, new(float64), new(float64), &running, &m.Tasks)
	_, err2 = fmt.Sscan(string(files), &m.Files)
	return m, errors.Join(err1, err2)
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

// print introduces figures.
func (m machine) print(w io.Writer) {
	fmt.Fprintf(w, "%s.\n", m)
	if m.Note != "" {
		fmt.Fprintf(w, "\n%s\n", m.Note)
	}
	if m.Load > float64(m.CPUs)/4 {
		fmt.Fprintln(w, "\nThe machine was busy: trust what is by processor time, and what the kernel has counted.")
	}
}

func (m machine) String() string {
	return fmt.Sprintf("%s: %d × %s, Linux %s, %s; before the run load %.1f, %d tasks, %d open files",
		m.Date, m.CPUs, m.CPU, m.Kernel, m.System, m.Load, m.Tasks, m.Files)
}
