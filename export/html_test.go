package export

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

var pagesDir = flag.String("pages", "", "also write the pages of TestPages to this `directory`, for page/test")

// maxPage bounds the page of 10,000 sites, in bytes.
const maxPage = 5 << 20

// pages are what page/test opens in a browser.
func pages() map[string]func(io.Writer) error {
	source, _ := ParseSourceURL("/srv/orders=https://git.example/orders/blob/v1/{file}#L{line}")
	all := map[string]func(io.Writer) error{
		"crowd": func(w io.Writer) error { return crowd(10_000).WriteHTML(w, HTMLOptions{}) },
		"evil":  func(w io.Writer) error { return evil().WriteHTML(w, HTMLOptions{Source: source}) },
		"diff":  func(w io.Writer) error { return deploys()["deploy"].WriteHTML(w, HTMLOptions{}) },
		"evildiff": func(w io.Writer) error {
			return NewDiff(reports()["nothing"], evil()).WriteHTML(w, HTMLOptions{})
		},
		"goroutine": func(w io.Writer) error { return goroutines().WriteHTML(w, HTMLOptions{}) },
		"suspects": func(w io.Writer) error {
			r := reports()["leaks"]
			for i := range r.Sites {
				r.Sites[i].Leaking, r.Sites[i].State = false, verdict.Suspect
			}
			return r.WriteHTML(w, HTMLOptions{})
		},
	}
	for name, r := range reports() {
		all[name] = func(w io.Writer) error { return r.WriteHTML(w, HTMLOptions{Source: source}) }
	}
	return all
}

func TestPages(t *testing.T) {
	if *pagesDir != "" {
		if err := os.MkdirAll(*pagesDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, write := range pages() {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %d bytes", name, out.Len())
		if out.Len() > maxPage {
			t.Errorf("%s: %d bytes, want %d at most", name, out.Len(), maxPage)
		}
		if *pagesDir == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(*pagesDir, name+".html"), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// crowd is a report of many sites of 25 frames, of 20,000 functions, every fourth of which
// leaks, with all that there may be to say of each.
func crowd(sites int) *Report {
	r := watch(services(), 15, lossy)
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("cache pool session worker flush batch queue index shard token query cursor frame route header " +
		"stream upload digest ledger metric probe replica schema tenant widget account invoice cart order price")
	word := func() string { return words[random.IntN(len(words))] }
	functions := make([]symbol.Frame, 20_000)
	for i := range functions {
		class, file := word(), word()
		functions[i] = symbol.Frame{
			Function: fmt.Sprintf("acme::%s::%s%d::%s_%s(acme::%s const&)", class, file, random.IntN(100), word(), word(), word()),
			File:     fmt.Sprintf("/srv/orders/src/%s/%s/%s.cc", class, file, word()), Line: 1 + random.IntN(2000),
			Module: app,
		}
	}
	function := func() symbol.Frame { // called at one of three lines
		f := functions[random.IntN(len(functions))]
		f.Line += random.IntN(3)
		return f
	}
	models := r.Sites
	r.Sites = nil
	for i := range sites {
		s := models[i%len(models)]
		s.Fingerprint = fmt.Sprintf("%016x", random.Uint64())
		s.State, s.Leaking = verdict.Steady, i%4 == 0
		if s.Leaking {
			s.State = verdict.Leaking
		}
		s.Outstanding = 1 + random.IntN(50)
		s.MedianS = float64(random.IntN(10_000))
		s.Stack = nil
		for range 22 {
			s.Stack = append(s.Stack, function())
		}
		s.Stack = append(s.Stack, frame("Server::serve(int)", "/srv/orders/src/server.cc", 88, 0x2204),
			frame("main", "/srv/orders/src/main.cc", 31, 0x11f3), libcFrame("__libc_start_main", 0x2724a))
		s.SiteFrame = 2
		s.Site = newPlace(s.Stack[2])
		s.History = nil
		for p := range 64 {
			s.History = append(s.History, Point{float64(p) * 15 / 64, random.IntN(1 + s.Outstanding)})
		}
		s.Samples = slices.Clone(s.Samples)
		for n := range s.Samples {
			o := &s.Samples[n]
			o.AgeS = float64(random.IntN(10_000))
			switch {
			case o.ChildSample != nil:
				o.ChildSample = &ChildSample{PID: random.IntN(1 << 22), ForkedBy: o.ForkedBy, Reaper: o.Reaper}
			case o.ThreadSample != nil:
				o.ThreadSample = &ThreadSample{TID: random.IntN(1 << 22)}
			default:
				socket := *o.SocketSample
				socket.Local = fmt.Sprintf("10.0.3.17:%d", random.IntN(1<<16))
				o.SocketSample = &socket
			}
		}
		s.Limits = []Limit{{Name: "RLIMIT_NOFILE of orders (pid 4711)", Resource: limit.Descriptors, Used: random.Uint64N(1024), Max: 1024}}
		r.Sites = append(r.Sites, s)
	}
	return r
}

// goroutines is a report of some that wait for what is never sent, and for a lock.
func goroutines() *Report {
	wait := func(function string, line int) *tracer.Stack {
		s := stack(1, frame("runtime.gopark", "/usr/lib/go/src/runtime/proc.go", 435, 0x4300), frame(function, "/srv/orders/main.go", line, 0x9100))
		return &s
	}
	sending, locked := wait("main.(*Cache).refresh", 61), wait("main.(*Cache).lock", 77)
	objects := threads(tracer.Goroutine, "refresh", born(16, 1))
	for i := range objects {
		objects[i].Goroutine = &tracer.GoroutineInfo{Parent: 1, Reason: "chan send", Parked: sending}
		if i%4 == 3 {
			objects[i].Goroutine.Reason, objects[i].Goroutine.Parked = "sync.Mutex.Lock", locked
		}
	}
	return watch([]tracer.Site{{
		Kind: tracer.Goroutine, Fingerprint: "60a1", Role: tracer.Created, Created: 16, Outstanding: objects,
		Stack: stack(0, frame("main.(*Server).handle", "/srv/orders/main.go", 42, 0x9000)),
	}}, 15, clean)
}

// evil is a report in which every text that the target can choose tries to get out of it.
func evil() *Report {
	attacks := []string{
		"</script><script>window.pwned=1</script>", `"><img src=x onerror="window.pwned=2">`, "<!--<script>", "]]>",
		"'\"`${window.pwned=3}\\", "two\nlines\r\n\u2028\u2029", "\x1b[2J\x1b]0;pwned\a\x9b31m", "\u202egnp.exe\u2066\u200b\ufeff",
		"\xff\xfe\xc0\x80 not UTF-8", "nul\x00nul", "{{.Script}}", "javascript:window.pwned=4", strings.Repeat("long<b>", 64<<10/7),
	}
	r := watch(append(services(), networks()...), 15, lossy)
	r.Target.Comm = attacks[0]
	r.Lost[attacks[1]] = 7
	next := 0
	attack := func(s *string) { *s = attacks[next%len(attacks)]; next++ }
	stack := func(frames []symbol.Frame) []symbol.Frame {
		frames = append([]symbol.Frame{}, frames...)
		for i := range frames {
			f := &frames[i]
			attack(&f.Function)
			attack(&f.File)
			f.File = "/srv/orders/" + f.File
			attack(&f.Module)
			f.Line = 7
		}
		return frames
	}
	bound := func() Limit {
		l := Limit{Used: 9, Max: 10, FullInS: new(60.0)}
		attack(&l.Name)
		attack((*string)(&l.Resource))
		return l
	}
	for range attacks {
		r.OwnLimits = append(r.OwnLimits, bound())
	}
	r.OwnLimits[0].Name, r.OwnLimits[0].FullInS = attacks[len(attacks)-1], new(1.0) // reached first
	for i := range r.Sites {
		s := &r.Sites[i]
		s.Limits = []Limit{bound()}
		s.GrowsWith = []GrowsWith{{Per: 1, R: 1}}
		attack(&s.GrowsWith[0].Activity)
		s.Stack = stack(s.Stack)
		s.Parked = append(s.Parked, Parked{Count: 1, SiteFrame: 0, Stack: stack(s.Stack)})
		for n := range s.CreatedBy {
			s.CreatedBy[n].Stack = stack(s.CreatedBy[n].Stack)
		}
		for n := range s.Names {
			attack(&s.Names[n].Name)
		}
		s.Workload = &Workload{}
		for _, field := range []*string{&s.Workload.Namespace, &s.Workload.Pod, &s.Workload.Comm, &s.Workload.Cgroup, &s.Reason, &s.Assumed, &s.Group} {
			attack(field)
		}
		for n := range s.Samples {
			attack(&s.Samples[n].Name)
			if c := s.Samples[n].ChildSample; c != nil {
				c.Reaper = &Process{PID: 7}
				attack(&c.Reaper.Comm)
			}
			if c := s.Samples[n].SocketSample; c != nil {
				attack(&c.Local)
			}
		}
	}
	r.Sites[1].Kind = tracer.Kind(attacks[2])
	attack(&r.Sites[2].Suppressed)
	return r
}

var payloadPattern = regexp.MustCompile(`(?s)<script type="application/gzip" id="payload">([A-Za-z0-9+/=]*)</script>`)

// payloadOf is what the script of a page reads.
func payloadOf(t *testing.T, page []byte) []byte {
	t.Helper()
	found := payloadPattern.FindSubmatch(page)
	if found == nil {
		t.Fatal("the page has no payload")
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(found[1])))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// staticOf is what is to be read of a page without a script.
func staticOf(page string) string {
	_, static, _ := strings.Cut(page, "<body>")
	static, _, _ = strings.Cut(static, `<script type="application/gzip"`)
	return static
}

// pageOf is what a report or a difference writes.
func pageOf(t *testing.T, r interface {
	WriteHTML(io.Writer, HTMLOptions) error
}) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteHTML(&out, HTMLOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What the script reads is compared in full; what is to be read without it, too.
func TestPageGolden(t *testing.T) {
	for _, name := range []string{"judged", "network", "past", "node", "goroutine", "hostile", "diff"} {
		var out bytes.Buffer
		if err := pages()[name](&out); err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, payloadOf(t, out.Bytes()), "", " "); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".payload.json", indented.Bytes())
		golden(t, name+".static.html", []byte(staticOf(out.String())))
	}
}

// Nothing of the target is in a page but as escaped text.
func TestPageOfHostileNames(t *testing.T) {
	for _, name := range []string{"evil", "evildiff", "hostile"} {
		var out bytes.Buffer
		if err := pages()[name](&out); err != nil {
			t.Fatal(err)
		}
		page := out.String()
		if n := strings.Count(page, "<script"); n != 2 {
			t.Errorf("%s: %d scripts, want the payload and ours", name, n)
		}
		if strings.Contains(page, "<img") || strings.Contains(page, "long<b>") {
			t.Errorf("%s: markup of the target is in the page", name)
		}
		for _, found := range regexp.MustCompile(">[^<]*").FindAllString(staticOf(page), -1) {
			if n := len([]rune(html.UnescapeString(found))); n > 3*maxShown {
				t.Errorf("%s: a text of %d characters: %.60s", name, n, found)
			}
		}
		payload := string(payloadOf(t, out.Bytes()))
		for _, text := range []string{page, payload} {
			for i, r := range text {
				if r < ' ' && r != '\n' || r == 0x7f || r == '\ufffd' || strings.ContainsRune("\u202e\u2066\u200b\ufeff\u2028\u0085\u009b", r) {
					t.Fatalf("%s: %q at %d is not escaped: %q", name, r, i, text[max(0, i-40):i+10])
				}
			}
		}
		var read struct {
			Strings []string `json:"strings"`
		}
		if err := json.Unmarshal([]byte(payload), &read); err != nil {
			t.Fatal(err)
		}
		for _, s := range read.Strings {
			if len([]rune(s)) > 2*maxShown && !strings.HasPrefix(s, "https://") {
				t.Errorf("%s: a text of %d characters", name, len([]rune(s)))
			}
		}
	}
}

// The policy lets the page's own script and style run, and nothing else.
func TestPagePolicyIsOfThePage(t *testing.T) {
	var out bytes.Buffer
	if err := pages()["leaks"](&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for tag, policy := range map[string]string{"style": "style-src '", "script": "script-src '"} {
		_, inside, _ := strings.Cut(page, "<"+tag+">")
		inside, _, _ = strings.Cut(inside, "</"+tag+">")
		if !strings.Contains(HTMLPolicy(), policy+hashOf(inside)+"'") {
			t.Errorf("the policy does not allow the page's %s", tag)
		}
	}
	if strings.Contains(HTMLPolicy(), "unsafe") {
		t.Error("the policy allows what is unsafe")
	}
}

// What is first reached is said of suspects and of the user's own limits too.
func TestPageSaysWhatIsFullFirst(t *testing.T) {
	r := reports()["clean"]
	for limit, want := range map[Limit]string{
		{Name: "a<b", Used: 1, Max: 2, FullInS: new(8520.0)}: `<p class="limit">a&lt;b is reached in 2 h 22 min at this rate</p>`,
		{Name: "a", Used: 2, Max: 2, FullInS: new(0.0)}:      `<p class="limit">a is reached</p>`,
		{Name: "a", Used: 1, Max: 2}:                         "",
	} {
		r.OwnLimits = []Limit{limit}
		static := staticOf(pageOf(t, r))
		if !strings.Contains(static, want) || want == "" && strings.Contains(static, `class="limit"`) {
			t.Errorf("%+v: expected %q in\n%s", limit, want, static)
		}
	}
}

// With neither script nor leaks there are the suspects; of many sites, a word on the rest.
func TestPageListsWithoutScript(t *testing.T) {
	for _, tt := range []struct {
		leaking, suspect, rows int
		more                   string
	}{
		{0, 0, 0, ""},
		{0, 1, 1, ""},
		{maxStatic, maxSuspects, maxStatic + maxSuspects, ""},
		{maxStatic + 1, 1, maxStatic + 1, "… and 1 more site leaks"},
		{1, maxSuspects + 2, 1 + maxSuspects, "… and 2 more sites are suspect"},
		{maxStatic + 3, maxSuspects + 1, maxStatic + maxSuspects, "… and 3 more sites leak and 1 more site is suspect"},
	} {
		r := reports()["clean"]
		steady := r.Sites[0]
		for i := range tt.leaking + tt.suspect {
			s := steady
			s.State, s.Leaking = verdict.Suspect, false
			if i < tt.leaking {
				s.State, s.Leaking = verdict.Leaking, true
			}
			r.Sites = append(r.Sites, s)
		}
		static := staticOf(pageOf(t, r))
		if n := strings.Count(static, `scope="row"`); n != tt.rows {
			t.Errorf("%+v: %d rows", tt, n)
		}
		if n := strings.Count(static, ">suspect</td>"); n != min(tt.suspect, maxSuspects) {
			t.Errorf("%+v: %d rows of suspects", tt, n)
		}
		if more := tt.more != ""; more != strings.Contains(static, "…") || !strings.Contains(static, "<p>"+tt.more+"</p>") && more {
			t.Errorf("%+v:\n%s", tt, static)
		}
	}
}

// A difference that is too long says so.
func TestPageOfLongDiff(t *testing.T) {
	d := NewDiff(reports()["nothing"], crowd(4*(maxStatic+3))) // every fourth leaks
	static := staticOf(pageOf(t, d))
	if n := strings.Count(static, `scope="row"`); n != maxStatic || !strings.Contains(static, "… and 3 more sites leak or are suspect in either run") {
		t.Errorf("%d rows in\n%s", n, static)
	}
}

// The tabs of a difference are in the order of those of a report.
func TestPageOrdersKinds(t *testing.T) {
	for name, page := range map[string]string{"report": pageOf(t, reports()["leaks"]), "diff": pageOf(t, deploys()["deploy"])} {
		var read struct {
			Kinds []tracer.Kind `json:"kinds"`
		}
		if err := json.Unmarshal(payloadOf(t, []byte(page)), &read); err != nil {
			t.Fatal(err)
		}
		want := []tracer.Kind{tracer.Zombie, tracer.Thread, tracer.UnjoinedThread, tracer.CloseWait}
		if !slices.Equal(read.Kinds, want) {
			t.Errorf("%s: %q, want %q", name, read.Kinds, want)
		}
	}
}

// As in the text, nothing bounds what has ended.
func TestPageOmitsLimitsOfTheEnded(t *testing.T) {
	bound := []Limit{{Name: "n", Used: 9, Max: 10}}
	for ended, want := range map[bool]int{true: 0, false: 1} {
		s := Site{SiteFrame: -1, Ended: ended, Limits: bound}
		if got := newTables("report", HTMLOptions{}).site(s, false); len(got.Limits) != want {
			t.Errorf("ended %t: %+v, want %d limits", ended, got.Limits, want)
		}
	}
}

func TestPageListsUnusedSuppressions(t *testing.T) {
	r := reports()["leaks"]
	r.Suppress([]Suppression{{3, "zombie", "Nobody::at(int)", "<b>"}})
	static := staticOf(pageOf(t, r))
	if !strings.Contains(static, "<p>unused suppression, line 3: zombie Nobody::at(int) # &lt;b&gt;</p>") {
		t.Error(static)
	}
}

func TestShownIsBounded(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", maxShown), strings.Repeat("é", maxShown)} {
		if got := shown(s); got != s {
			t.Errorf("%d bytes are cut to %q", len(s), got)
		}
	}
	got := shown("begin" + strings.Repeat("x", 64<<10) + "end")
	if !strings.HasPrefix(got, "begin") || !strings.HasSuffix(got, "end") || !strings.Contains(got, "characters") || len([]rune(got)) > maxShown+32 {
		t.Errorf("64 KiB are cut to %q", got)
	}
}
