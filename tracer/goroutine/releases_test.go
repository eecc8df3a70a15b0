//go:build releases

package goroutine

import "testing"

// releases is the last patch of each release of Go that is supported.
var releases = []string{"go1.22.12", "go1.23.12", "go1.24.13", "go1.25.14", "go1.26.8", "go1.27.4"}

// TestReleases is TestDump with each release of Go. The go command downloads those
// that are not there.
func TestReleases(t *testing.T) {
	for _, release := range releases {
		for _, v := range variants {
			t.Run(release+" "+v.name, func(t *testing.T) { compareWithDump(t, build(t, "waits", release, v.env, v.flags...)) })
		}
	}
}

// TestMillion is TestChurn for longer.
func TestMillion(t *testing.T) { readChurn(t, 1_000_000) }
