package live

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; rewrite with go test -update):\n%s", path, diff)
	}
}

// read reads one of the reports that the formats are tested with.
func read(t *testing.T, name string) *export.Report {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := export.ReadReport(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// show is a model of a terminal of that size that shows a report.
func show(r *export.Report, width, height int) *model {
	m := newModel(Options{JobControl: true, Write: func(*export.Report) (string, error) { return "report.txt", nil }}, nil)
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	m.Update(State{Report: r, Tracked: 312})
	return m
}

// keys are the ones that have names.
var keys = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "backspace": {Code: tea.KeyBackspace},
	"tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "space": {Code: tea.KeySpace, Text: " "},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
}

// press presses keys one after another, and does what they ask for.
func press(m *model, names ...string) (last tea.Cmd) {
	for _, name := range names {
		k, ok := keys[name]
		if !ok {
			k = tea.Key{Code: []rune(name)[0], Text: name}
		}
		_, last = m.Update(tea.KeyPressMsg(k))
	}
	return last
}

// text is what is on the screen, without colours.
func text(m *model) string {
	var b strings.Builder
	for _, line := range m.lines() {
		b.WriteString(strings.TrimRight(ansi.Strip(line), " ") + "\n")
	}
	return b.String()
}

func TestScreens(t *testing.T) {
	tests := map[string]struct {
		report        string
		width, height int
		keys          []string
	}{
		"table":       {"leaks", 120, 18, nil},
		"table-80":    {"leaks", 80, 18, nil},
		"table-40":    {"leaks", 40, 12, nil},
		"table-low":   {"leaks", 80, 6, []string{"down", "down", "down", "down", "down"}},
		"tiny":        {"leaks", 20, 5, nil},
		"outstanding": {"leaks", 120, 18, []string{"s"}},
		"growth":      {"leaks", 120, 18, []string{"s", "s", "down"}},
		"oldest":      {"leaks", 120, 18, []string{"s", "s", "s", "S"}},
		"kind":        {"leaks", 120, 18, []string{"tab", "tab"}},
		"kind-last":   {"leaks", 120, 18, []string{"shift+tab"}},
		"kind-number": {"leaks", 120, 18, []string{"4"}},
		"typing":      {"leaks", 120, 18, []string{"/", "P", "o", "q", "backspace"}},
		"filter":      {"leaks", 120, 18, []string{"/", "p", "o", "enter"}},
		"no-match":    {"leaks", 120, 18, []string{"/", "q", "q", "enter"}},
		"page":        {"leaks", 120, 50, []string{"enter"}},
		"page-end":    {"leaks", 70, 14, []string{"down", "enter", "end"}},
		"page-tiny":   {"leaks", 20, 5, []string{"enter", "pgdown"}},
		"help":        {"leaks", 120, 18, []string{"?"}},
		"paused":      {"leaks", 120, 10, []string{"p"}},
		"losses":      {"lossy", 120, 10, nil},
		"nothing":     {"nothing", 80, 10, nil},
		"clean":       {"clean", 100, 10, nil},
		"hostile":     {"hostile", 100, 30, []string{"enter"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := show(read(t, tt.report), tt.width, tt.height)
			press(m, tt.keys...)
			golden(t, name+".txt", text(m))
		})
	}
}

// The colours are a verdict's, and none that a reader of light backgrounds misses.
func TestColours(t *testing.T) {
	golden(t, "table.ansi", strings.Join(show(read(t, "leaks"), 100, 16).lines(), "\n")+"\n")
}

// strange is a report full of names that no terminal should be asked to show.
func strange() *export.Report {
	r := &export.Report{DurationS: 15, Target: export.Process{PID: 7, Comm: "\x1b]0;owned\a\u202e"}, Lost: map[string]uint64{"\x1b[2J": 1}}
	for i, name := range []string{
		strings.Repeat("\x1b[2J", 1<<14), strings.Repeat("名前", 1<<14), "\xff\x9b31m\r\n", "e" + strings.Repeat("\u0301", 1<<15),
		strings.Repeat("👩‍👩‍👧", 99), "\u2066a\u202eb\u200bc\u2028", strings.Repeat("A::", 1<<14), "\t\v\f\b\x7f", `\x1b[2J`,
	} {
		r.Sites = append(r.Sites, export.Site{
			Fingerprint: fmt.Sprint(i), Kind: tracer.Thread, State: verdict.Leaking, Leaking: true, Reason: "grew", Outstanding: i,
			Stack: []symbol.Frame{{Function: name, File: name, Line: 1, Module: name}}, Group: name, Role: tracer.Created,
			Names:   []export.Name{{Name: name, Count: 1}},
			Limits:  []export.Limit{{Name: name, Max: 1}},
			Samples: []export.Sample{{Name: name, ThreadSample: &export.ThreadSample{TID: 1}}},
			History: []export.Point{{AtS: -1, Outstanding: 3}, {AtS: 1e9, Outstanding: 1 << 40}},
		})
	}
	return r
}

// Whatever the names and the size of the terminal: no line is wider than it, there
// are no more than it has, and nothing but colours is in them that is not text.
func TestFits(t *testing.T) {
	for name, r := range map[string]*export.Report{"leaks": read(t, "leaks"), "hostile": read(t, "hostile"), "strange": strange()} {
		for _, opened := range [][]string{nil, {"enter"}, {"end", "enter", "end"}, {"?"}, {"p", "/", "x", "\u202e"}, {"w"}} {
			m := show(r, 100, 30)
			press(m, opened...)
			for _, width := range []int{0, 1, 20, 79, 300} {
				for _, height := range []int{0, 1, 5, 9, 24} {
					m.Update(tea.WindowSizeMsg{Width: width, Height: height})
					check(t, fmt.Sprintf("%s %q %dx%d", name, opened, width, height), m.lines(), width, height)
				}
			}
		}
	}
}

func check(t *testing.T, name string, lines []string, width, height int) {
	t.Helper()
	if len(lines) > height {
		t.Errorf("%s: %d lines", name, len(lines))
	}
	for _, line := range lines {
		said := ansi.Strip(line)
		if w := ansi.StringWidth(said); w > width {
			t.Errorf("%s: %d columns: %q", name, w, said)
		}
		if strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: not printable: %q", name, said)
		}
	}
}

// The cursor stays on its site when others come before it, and where it was when
// the site has gone.
func TestCursorFollows(t *testing.T) {
	r := read(t, "leaks")
	m := show(r, 100, 30)
	press(m, "down", "down")
	at := m.list.at
	for _, order := range []string{"s", "s", "s", "r"} {
		press(m, order)
		if got := identify(m.list.sites[m.list.cursor]); got != at {
			t.Errorf("after %q the cursor is on %v, want %v", order, got, at)
		}
	}
	less := *r
	less.Sites = nil
	for _, s := range r.Sites {
		if identify(&s) != at {
			less.Sites = append(less.Sites, s)
		}
	}
	was := m.list.cursor
	m.Update(State{Report: &less})
	if want := min(was, len(less.Sites)-1); m.list.cursor != want {
		t.Errorf("the cursor went to %d, want %d", m.list.cursor, want)
	}
}

// Before it is moved, the cursor is on what is worst now.
func TestCursorStaysOnTop(t *testing.T) {
	m := show(read(t, "clean"), 100, 30)
	m.Update(State{Report: read(t, "leaks")})
	if m.list.cursor != 0 || !m.list.sites[0].Leaking {
		t.Errorf("the cursor is on %d", m.list.cursor)
	}
}

// A page tells when nothing of its site is left, and Esc leads back.
func TestPageOfSiteThatIsGone(t *testing.T) {
	m := show(read(t, "leaks"), 100, 30)
	press(m, "enter")
	m.Update(State{Report: read(t, "nothing")})
	if got := text(m); !strings.Contains(got, "nothing of it is outstanding any more") || !strings.Contains(got, "created by") {
		t.Error(got)
	}
	press(m, "esc")
	if got := text(m); !strings.Contains(got, "nothing outstanding so far") {
		t.Error(got)
	}
}

// While paused all stands still but what is said of the tracing itself.
func TestPause(t *testing.T) {
	m := show(read(t, "clean"), 100, 10)
	press(m, "space")
	before := m.table(5)
	m.Update(State{Report: read(t, "leaks"), Tracked: 999})
	if diff := cmp.Diff(before, m.table(5)); diff != "" {
		t.Error(diff)
	}
	if got := text(m); !strings.Contains(got, "PAUSED") || !strings.Contains(got, "999 objects") {
		t.Error(got)
	}
	press(m, "p")
	if got := text(m); strings.Contains(got, "PAUSED") || !strings.Contains(got, "LEAK") {
		t.Error(got)
	}
}

// A report is written of what is shown, and where it is, or why it is not, is said
// until the next key.
func TestWrite(t *testing.T) {
	m := show(read(t, "clean"), 100, 10)
	var wrote *export.Report
	var fails error
	m.options.Write = func(r *export.Report) (string, error) { wrote = r; return "re\x1bport.txt", fails }
	press(m, "p")
	shown := m.shown.Report
	m.Update(State{Report: read(t, "leaks")})
	m.Update(press(m, "w")())
	if wrote != shown {
		t.Error("what was written is not what was shown")
	}
	if got := text(m); !strings.Contains(got, `report written to re\x1bport.txt`) {
		t.Error(got)
	}
	fails = errors.New("disk full")
	m.Update(press(m, "w")())
	if got := text(m); !strings.Contains(got, "no report written: disk full") {
		t.Error(got)
	}
	press(m, "down")
	if got := text(m); strings.Contains(got, "disk full") {
		t.Error(got)
	}
}

func TestFilterKeys(t *testing.T) {
	m := show(read(t, "leaks"), 100, 20)
	press(m, "/", "s", "q", "p")
	if m.list.filter != "sqp" || m.paused {
		t.Errorf("filter %q, paused %v", m.list.filter, m.paused)
	}
	press(m, "ctrl+u")
	m.Update(tea.PasteMsg{Content: "PO\x1b[2J\n" + strings.Repeat("x", 1<<16)})
	if want := "po[2j" + strings.Repeat("x", maxFilter-5); m.list.filter != want {
		t.Errorf("filter %q", m.list.filter)
	}
	press(m, "esc")
	if m.list.filter != "" || m.typing {
		t.Errorf("filter %q, typing %v", m.list.filter, m.typing)
	}
}

// Of the CPU what counts is of late: the start takes more than all that follows.
func TestOwnCPU(t *testing.T) {
	at := func(seconds, cpu float64) State {
		return State{Report: &export.Report{DurationS: seconds, Overhead: export.Overhead{CPUSeconds: cpu}}}
	}
	m := newModel(Options{}, nil)
	for _, s := range []State{at(0.05, 0.4), at(2, 0.5), at(4, 0.502)} {
		m.Update(s)
	}
	if got := fmt.Sprintf("%.3f", m.ownCPU); got != "0.001" {
		t.Errorf("own CPU %s, want 0.001", got)
	}
}

func TestQuit(t *testing.T) {
	m := newModel(Options{}, nil)
	for _, k := range []tea.Key{{Code: 'q', Text: "q"}, {Code: 'c', Mod: tea.ModCtrl}} {
		_, cmd := m.Update(tea.KeyPressMsg(k))
		if _, quits := cmd().(tea.QuitMsg); !quits {
			t.Errorf("%s does not quit", k)
		}
	}
	if _, cmd := m.Update(tea.KeyPressMsg{Code: 'z', Mod: tea.ModCtrl}); cmd != nil {
		t.Error("Ctrl-Z suspends where there is no shell to wake leaktrace")
	}
}
