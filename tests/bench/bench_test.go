package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{1, 2}, 0.5, 1.5},
		{[]float64{1, 2, 3, 4, 5}, 0.25, 2},
		{[]float64{1, 2, 3, 4, 5}, 0.75, 4},
		{[]float64{1, 2, 3, 4, 5}, 1, 5},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	most, least := goal{bound: 1.1}, goal{bound: 0.99, atLeast: true}
	for _, c := range []struct {
		goal              goal
		low, median, high float64
		want              string
	}{
		{most, 1.05, 1.08, 1.09, "met"},
		{most, 1.07, 1.09, 1.12, "met"},
		{most, 1.08, 1.11, 1.12, "missed"},
		{most, 0.6, 1.05, 1.5, "too noisy to say"},
		{most, 1.2, 1.5, 1.9, "missed"},
		{most, 0.5, 0.8, 1.1, "met"},
		{least, 0.98, 0.995, 1.01, "met"},
		{least, 0.97, 0.98, 1.00, "missed"},
		{least, 0.8, 1.0, 1.2, "too noisy to say"},
	} {
		if got := c.goal.judge(figure{Low: c.low, Median: c.median, High: c.high}); got != c.want {
			t.Errorf("%v of (%v, %v, %v) is %q, want %q", c.goal, c.low, c.median, c.high, got, c.want)
		}
	}
}

// stackOf is a stack as strace prints it, with so many callers.
func stackOf(function string, callers int, end string) string {
	return " > libc.so.6(clone3+0x29) [0x1]\n > bench(" + function + "+0x12) [0x2]\n > bench(leak+0x9) [0x2]\n" +
		strings.Repeat(" > bench(repeat+0x22) [0x3]\n", callers) + end
}

func TestJudgeStacks(t *testing.T) {
	const main = " > bench(main+0x9) [0x4]\n > libc.so.6(__libc_start_main+0x9) [0x5]\n"
	for _, c := range []struct{ name, output, want string }{
		{"whole", stackOf("leak_thread", callers, main), "right: thread"},
		{"second whole", stackOf("leak_thread", 3, "") + stackOf("leak_thread", callers, main), "right: thread"},
		{"a directory of that name", stackOf("leak_thread", 1, " /src/main/x.c\n") + stackOf("", callers-1, main), "right: thread"},
		{"a caller missing", stackOf("leak_thread", callers-1, main), "cut short: thread"},
		{"no main", stackOf("leak_thread", callers, ""), "cut short: thread"},
		{"only libc's", stackOf("leak_thread", callers, " > libc.so.6(__libc_start_main+0x9) [0x5]\n"), "cut short: thread"},
		{"main of the next", stackOf("leak_thread", 0, "") + stackOf("leak_child", callers, main), "cut short: thread"},
		{"site missing", stackOf("create", callers, main), "wrong: thread"},
		{"nothing", "", "wrong: thread"},
	} {
		if got := judgeStacks(c.output, "thread"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	before := &result{Machine: machine{Date: "2026-01-01"}, Figures: []figure{
		{Table: "loops", Row: "recv", Column: "leaktrace", Median: 1, Low: 0.9, High: 1.1, Rounds: 5},
		{Table: "loops", Row: "tcp", Column: "leaktrace", Median: 1, Low: 0.9, High: 1.1, Rounds: 5},
		{Table: "loops", Row: "fork", Column: "leaktrace", Median: 2, Low: 1.9, High: 2.1, Rounds: 5},
	}}
	now := &result{Figures: []figure{
		{Table: "loops", Row: "recv", Column: "leaktrace", Median: 1.5, Low: 1.4, High: 1.6, Rounds: 5},
		{Table: "loops", Row: "tcp", Column: "leaktrace", Median: 1.2, Low: 1.05, High: 1.3, Rounds: 5},
		{Table: "loops", Row: "fork", Column: "leaktrace", Median: 1, Low: 0.9, High: 1.1, Rounds: 5},
		{Table: "loops", Row: "thread", Column: "leaktrace", Median: 9, Low: 9, High: 9, Rounds: 5},
	}}
	var out strings.Builder
	now.compare(&out, before)
	_, got, _ := strings.Cut(out.String(), "|---|---|---|---|\n")
	want := `| loops/recv/leaktrace | 1.000 (0.900–1.100) | 1.500 (1.400–1.600) | 1.500 |
| loops/fork/leaktrace | 2.0 (1.900–2.1) | 1.000 (0.900–1.100) | 0.500 |

Of 1 other figures the quartiles overlap: no change is seen.
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrong comparison (-want +got):\n%s", diff)
	}
}

func TestPublish(t *testing.T) {
	r := &result{Machine: machine{Date: "2026-01-01", CPUs: 4}, Figures: []figure{
		{Table: "loops", Row: "recv", Column: "leaktrace", Median: 1.5, Low: 1.4, High: 1.6, Rounds: 5},
		{Table: "own", Row: "CPU at rest", Column: "leaktrace", Unit: "%", Median: 0.05, Low: 0.05, High: 0.05},
	}}
	want := "before\n" + pageBegin + `2026-01-01: 4 × , Linux , ; before the run load 0.0, 0 tasks, 0 open files.

### Tight loops: traced / untraced

| | leaktrace |
|---|---|
| recv | 1.500 (1.400–1.600), goal ≤ 1.03: missed |

### leaktrace itself

| | leaktrace |
|---|---|
| CPU at rest | 0.05 %, goal ≤ 0.1: met |
` + pageEnd + "after\n"
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("before\n"+pageBegin+"old\n"+pageEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is published can be replaced again
		if err := r.publish(path); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("wrong page (-want +got):\n%s", diff)
		}
	}
	if err := os.WriteFile(path, []byte("no place\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(path); err == nil {
		t.Error("a page without a place for figures was taken")
	}
}
