// Package export renders what a run found: as text for a person, as JSON, as
// JUnit XML, as folded stacks for flame graphs, and as a pprof profile. It reads
// recordings, and JSON reports, back.
package export

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Version is the version of the JSON report. It changes when a field changes
// its meaning or disappears; new fields do not change it.
const Version = 1

// Report is the result of a run. Its JSON form is described field by field in
// report.schema.json. Strings from the target are as the target gave them:
// only the text renderer escapes.
type Report struct {
	Version int `json:"version"`
	// Target is zero where a node was watched, and Node its name.
	Target    Process   `json:"target"`
	Node      string    `json:"node,omitempty"`
	Started   time.Time `json:"started"`
	DurationS float64   `json:"duration_s"`
	MinAgeS   float64   `json:"min_age_s"`
	// Unjudged is how many objects were too young to judge when the processes
	// that held them ended.
	Unjudged int    `json:"unjudged"`
	Sites    []Site `json:"sites"`
	// Damaged says that the recording was not as it was written: what is here may be
	// wrong.
	Damaged bool `json:"damaged,omitempty"`
	// SitesMissing is how many sites the recording had beyond the end of its file.
	SitesMissing int `json:"sites_missing,omitempty"`
	// OwnLimits is the limits that the user knows of.
	OwnLimits []Limit `json:"own_limits,omitempty"`
	// Kinds is what alone was looked for, or is kept, as --kind says. Empty: all kinds.
	Kinds []tracer.Kind `json:"kinds,omitempty"`
	// UnusedSuppressions matched no site: what they accept may be fixed.
	UnusedSuppressions []Suppression `json:"unused_suppressions,omitempty"`

	Lost         map[string]uint64         `json:"lost"`
	StackQuality map[tracer.Quality]uint64 `json:"stack_quality"`
	// Notes says what could not be looked at, and why.
	Notes []string `json:"notes,omitempty"`
	// Verified is the processes whose goroutines were verified.
	Verified []Verified `json:"verified,omitempty"`
	// Sampling is nil as long as the stack of every creation was captured.
	Sampling *Sampling `json:"sampling,omitempty"`
	Overhead Overhead  `json:"overhead"`
}

// Site is a site with outstanding objects, and the verdict on it.
type Site struct {
	Fingerprint string        `json:"fingerprint"`
	Kind        tracer.Kind   `json:"kind"`
	State       verdict.State `json:"state"`
	Leaking     bool          `json:"leaking"`
	Reason      string        `json:"reason"`
	// Assumed is what the verdict takes for granted.
	Assumed string `json:"assumed,omitempty"`
	// Ended says that the processes that held the objects have ended, or where Replaced
	// that they have called exec, which ended the objects.
	Ended    bool `json:"ended"`
	Replaced bool `json:"replaced,omitempty"`
	// Suppressed is why the leak is accepted, empty if it is not.
	Suppressed  string `json:"suppressed,omitempty"`
	Outstanding int    `json:"outstanding"`
	// Past is how many objects are outstanding for min-age or longer.
	Past       int     `json:"past_min_age"`
	Created    uint64  `json:"created"`
	Released   uint64  `json:"released"`
	GrowthPerS float64 `json:"growth_per_s"`
	OldestS    float64 `json:"oldest_s"`
	// MedianS is how long half of the objects have been outstanding at least.
	MedianS float64 `json:"median_age_s,omitempty"`
	// UsualS is how long objects of the site usually live, 0 if not known.
	UsualS float64 `json:"usual_lifetime_s,omitempty"`
	// History is what was outstanding in the course of the run, at most 64 points,
	// oldest first; points in a row of the same count are left out.
	History []Point `json:"history,omitempty"`
	// Trend is the evidence of growth, nil where age alone decides.
	Trend *Trend `json:"trend,omitempty"`
	// Unreachable is nil where no goroutine was found to be so, or none was verified.
	Unreachable *Unreachable `json:"unreachable,omitempty"`
	GrowsWith   []GrowsWith  `json:"grows_with,omitempty"`
	Limits      []Limit      `json:"limits,omitempty"`
	Parked      []Parked     `json:"parked,omitempty"`
	Site        Place        `json:"site"`
	// Role says what Stack shows; empty without one.
	Role tracer.Role `json:"role"`
	// Group is what objects without a stack have in common.
	Group string `json:"group,omitempty"`
	// SeenAgain is the fingerprint of a site that creates the like of objects
	// older than tracing.
	SeenAgain string `json:"seen_again,omitempty"`
	// Workload is whose the objects are, nil unless a node was watched.
	Workload *Workload `json:"workload,omitempty"`
	// SiteFrame indexes the frame of Site in Stack; -1 without a stack.
	SiteFrame int            `json:"site_frame"`
	Stack     []symbol.Frame `json:"stack"`
	Quality   tracer.Quality `json:"stack_quality"`
	// CreatedBy and LastUsedBy are the other end of a socket's life: where
	// those of a last-used site were created, and all others last used.
	CreatedBy  []Related `json:"created_by,omitempty"`
	LastUsedBy []Related `json:"last_used_by,omitempty"`
	Names      []Name    `json:"names,omitempty"`
	Samples    []Sample  `json:"samples"`

	// objects and taken are what a pprof profile is made of: all objects, and
	// the instant their ages are meant at. In a recording they are groups.
	objects []tracer.Object
	taken   time.Time
	groups  []group
}

// Sampling says how rarely the stack of a creation was captured in a flood, and
// how many creations have none therefore.
type Sampling struct {
	OneIn   uint64 `json:"one_in"`
	LeftOut uint64 `json:"left_out"`
}

// Point is how many objects were outstanding at a time since tracing began.
type Point struct {
	AtS         float64 `json:"at_s"`
	Outstanding int     `json:"outstanding"`
}

// Trend is a rank-based trend of what a site holds (Mann-Kendall).
type Trend struct {
	Z         float64 `json:"z"`
	OverS     float64 `json:"over_s"`
	Snapshots int     `json:"snapshots"`
}

// Unreachable is goroutines to which nothing led in the last so many scans of the memory of
// their processes.
type Unreachable struct {
	Goroutines int `json:"goroutines"`
	Scans      int `json:"scans"`
}

// GrowsWith relates a site's growth to something its processes do.
type GrowsWith struct {
	Activity string  `json:"activity"`
	Per      float64 `json:"per"`
	R        float64 `json:"r"`
}

// Place is where in the code a user would look. Its fields are empty and 0
// when they are not known.
type Place struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Module   string `json:"module"`
}

// Process names a process.
type Process struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
}

// Overhead is what tracing cost.
type Overhead struct {
	// CPUSeconds is the processor time of the tracer itself.
	CPUSeconds float64 `json:"cpu_s"`
	// RSSBytes is its peak resident memory.
	RSSBytes uint64 `json:"rss_bytes"`
	// Programs is known only while kernel.bpf_stats_enabled is set.
	Programs []ProgramCost `json:"programs,omitempty"`
}

// ProgramCost is what one BPF program cost the traced machine.
type ProgramCost struct {
	Name     string  `json:"name"`
	Runs     uint64  `json:"runs"`
	NsPerRun float64 `json:"ns_per_run"`
}

// Formats lists the formats Write knows.
func Formats() []string { return []string{"text", "json", "html", "folded", "pprof", "ltz"} }

// Write renders the report in one of Formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return r.WriteText(w, TextOptions{})
	case "json":
		return r.WriteJSON(w)
	case "html":
		return r.WriteHTML(w, HTMLOptions{})
	case "folded":
		return r.WriteFolded(w)
	case "pprof":
		return r.WritePprof(w)
	case "ltz":
		return r.WriteRecording(w)
	}
	return fmt.Errorf("unknown format %q", format)
}

// Keep leaves out the sites of all other kinds, and what is only for these, unless
// there are none of kinds. Of a kind that was not looked for nothing can be said.
func (r *Report) Keep(kinds []tracer.Kind) error {
	if len(kinds) == 0 {
		return nil
	}
	for _, kind := range kinds {
		if !looksFor(r.Kinds, kind) {
			return fmt.Errorf("nothing is known of kind %s: the run looked for %s alone (--kind)", kind, listed(r.Kinds, "and"))
		}
	}
	r.Kinds = kinds
	r.Sites = slices.DeleteFunc(r.Sites, func(s Site) bool { return !slices.Contains(kinds, s.Kind) })
	if !slices.Contains(kinds, tracer.Goroutine) {
		r.Verified = nil
	}
	r.UnusedSuppressions = slices.DeleteFunc(r.UnusedSuppressions, func(s Suppression) bool {
		return s.Kind != "*" && !slices.Contains(kinds, tracer.Kind(s.Kind))
	})
	return nil
}

// looksFor tells whether a run of these kinds sees one.
func looksFor(kinds []tracer.Kind, kind tracer.Kind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// listed is kinds for a person.
func listed(kinds []tracer.Kind, last string) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = Escape(string(kind))
	}
	return strings.Join(names, " "+last+" ")
}

// Leaking returns how many sites leak and are not suppressed. They come first.
func (r *Report) Leaking() int {
	n := 0
	for _, s := range r.Sites {
		if s.accused() {
			n++
		}
	}
	return n
}

// accused tells that a site leaks and that this is not accepted.
func (s Site) accused() bool { return s.Leaking && s.Suppressed == "" }
