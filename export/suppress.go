package export

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Suppression is one line of a suppression file: a leak that is known and
// meant to be there.
type Suppression struct {
	// Line is its line in the file, from 1.
	Line int `json:"line"`
	// Kind is a kind of resource, or * for all.
	Kind string `json:"kind"`
	// Function is a pattern for whole names of functions, as the stacks of the
	// text report show them: * stands for any characters and ? for any one.
	Function string `json:"function"`
	// Reason is why the leak is accepted, never empty.
	Reason string `json:"reason"`
}

// Bounds of a suppression file.
const (
	maxSuppressions = 1 << 20 // bytes
	maxPattern      = 4096    // bytes
	maxComplaints   = 10
)

// suppressionForm is what a line must look like. The reason has a mark of its
// own because names of functions contain spaces.
const suppressionForm = "KIND FUNCTION # REASON, as in: thread Pool::grow* # keeps one thread per shard"

// reasonMark separates the reason. The # of Rust's {closure#0} and of Ruby's
// Pool#grow has no space around it.
var reasonMark = regexp.MustCompile(`\s#(?:\s|$)`)

// ReadSuppressions reads a suppression file: KIND FUNCTION # REASON on each
// line; empty lines and lines that begin with # are skipped. name is the
// file's in errors, which tell of all bad lines at once, up to ten.
func ReadSuppressions(r io.Reader, name string) ([]Suppression, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxSuppressions+1))
	if err != nil {
		return nil, fmt.Errorf("read suppressions: %w", err)
	}
	if len(raw) > maxSuppressions {
		return nil, fmt.Errorf("read suppressions: %s is larger than 1 MiB; is it a suppression file?", name)
	}
	var list []Suppression
	var bad []error
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseSuppression(line)
		s.Line = i + 1
		if err != nil {
			bad = append(bad, fmt.Errorf("%s:%d: %w", name, s.Line, err))
		}
		list = append(list, s)
	}
	if more := len(bad) - maxComplaints; more > 0 {
		bad = append(bad[:maxComplaints], fmt.Errorf("and %s", plural(more, "more bad line", "more bad lines")))
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	return list, nil
}

func parseSuppression(line string) (s Suppression, err error) {
	if !utf8.ValidString(line) {
		return s, errors.New("not UTF-8 text")
	}
	site := line
	mark := reasonMark.FindStringIndex(line)
	if mark != nil {
		site, s.Reason = line[:mark[0]], strings.TrimSpace(line[mark[1]:])
	}
	s.Kind = strings.Fields(site)[0]
	s.Function = strings.TrimSpace(strings.TrimPrefix(site, s.Kind))
	switch {
	case s.Function == "":
		return s, fmt.Errorf("no function: expected %s", suppressionForm)
	case s.Reason == "":
		return s, fmt.Errorf("no reason: expected %s", suppressionForm)
	}
	return s, s.Check()
}

// Check says what is wrong with a suppression.
func (p Suppression) Check() error {
	switch {
	case p.Kind != "*" && !slices.Contains(tracer.Kinds(), tracer.Kind(p.Kind)):
		return fmt.Errorf("kind %q: expected * or one of %s", p.Kind, tracer.KindNames())
	case p.Function == "":
		return errors.New("no function: expected the whole name of one, or a pattern")
	case p.Reason == "":
		return errors.New("no reason: say why the leak is accepted")
	case len(p.Function) > maxPattern:
		return fmt.Errorf("function of %d bytes: expected at most %d; shorten it with *", len(p.Function), maxPattern)
	}
	return nil
}

// Suppress marks the leaking sites that a suppression matches and moves them
// to the end. Of several that match, the first counts. One that counts for no
// site, leaking or not, is unused.
func (r *Report) Suppress(list []Suppression) {
	if len(list) == 0 {
		return
	}
	r.UnusedSuppressions = nil // those that a recording came with are of another list
	used := make([]bool, len(list))
	for i := range r.Sites {
		s := &r.Sites[i]
		names := s.suppressibleNames()
		first := slices.IndexFunc(list, func(p Suppression) bool { return p.matches(s.Kind, names) })
		if first < 0 {
			continue
		}
		used[first] = true
		if s.Leaking {
			s.Suppressed = list[first].Reason
		}
	}
	for i, p := range list {
		if !used[i] {
			r.UnusedSuppressions = append(r.UnusedSuppressions, p)
		}
	}
	byMark := func(s Site) int { return min(1, len(s.Suppressed)) }
	slices.SortStableFunc(r.Sites, func(a, b Site) int { return byMark(a) - byMark(b) })
}

// Accepted is why a leak at a site is accepted: the reason of the first
// suppression that matches it, empty if none does.
func Accepted(list []Suppression, s verdict.Site) string {
	if len(list) == 0 {
		return ""
	}
	site := identity(s)
	if len(site.Stack) == 0 {
		site.Names = names(s.Outstanding)
	}
	called := site.suppressibleNames()
	first := slices.IndexFunc(list, func(p Suppression) bool { return p.matches(s.Kind, called) })
	if first < 0 {
		return ""
	}
	return list[first].Reason
}

func (p Suppression) matches(kind tracer.Kind, names []string) bool {
	if p.Kind != "*" && p.Kind != string(kind) {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool { return Glob(p.Function, name) })
}

// suppressibleNames are the names of the site's frame and of all frames that
// are the application's own. The site's alone would not do: which of two
// helpers is inlined changes with the compiler. A libc function would be too
// much: it leads to every site.
func (s Site) suppressibleNames() (names []string) {
	for i, f := range s.Stack {
		if i == s.SiteFrame || symbol.Application(f) {
			names = append(names, Escape(frameName(f)))
		}
	}
	if names == nil {
		names = append(names, s.nameless())
	}
	return names
}

// unsuppressed are all sites but the suppressed ones, which come last.
func (r *Report) unsuppressed() []Site { return r.Sites[:len(r.Sites)-len(r.suppressed())] }

func (r *Report) suppressed() []Site {
	first := slices.IndexFunc(r.Sites, func(s Site) bool { return s.Suppressed != "" })
	if first < 0 {
		return nil
	}
	return r.Sites[first:]
}

// writeSuppressed lists what was suppressed, and suppressions without effect.
func (r *Report) writeSuppressed(t text) {
	suppressed := r.suppressed()
	if len(suppressed) > 0 {
		t.line("\nsuppressed: %s", plural(len(suppressed), "site that leaks", "sites that leak"))
	}
	for _, s := range suppressed[:min(len(suppressed), t.o.rows())] {
		w := words[s.Kind]
		t.line("  %s  %s", plural(s.Outstanding, w.one, w.many), s.Heading(t.o.width()/2))
		t.line("      %s", Escape(s.Suppressed))
	}
	t.more(len(suppressed) - t.o.rows())
	r.writeUnused(t)
}

// writeUnused lists the suppressions that had no effect.
func (r *Report) writeUnused(t text) {
	unused := r.UnusedSuppressions
	if len(unused) > 0 {
		t.line("")
	}
	for _, p := range unused[:min(len(unused), t.o.rows())] {
		t.line("%s", p.unused())
	}
	if more := len(unused) - t.o.rows(); more > 0 {
		t.line("... and %s", plural(more, "more unused suppression", "more unused suppressions"))
	}
}

// unused says that a suppression had no effect.
func (p Suppression) unused() string {
	return fmt.Sprintf("unused suppression, line %d: %s %s # %s", p.Line, Escape(p.Kind), Escape(p.Function), Escape(p.Reason))
}
