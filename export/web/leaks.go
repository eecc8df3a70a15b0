package web

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/node"
)

// contentTypes are the types of export.Formats.
var contentTypes = map[string]string{
	"json":   "application/json",
	"text":   "text/plain; charset=utf-8",
	"html":   "text/html; charset=utf-8",
	"folded": "text/plain; charset=utf-8",
	"pprof":  "application/octet-stream",
	"ltz":    "application/zstd",
}

// attachments are the names under which a browser saves what it cannot show, by type.
var attachments = map[string]string{
	contentTypes["pprof"]: "leaks.pb.gz",
	contentTypes["ltz"]:   "leaks.ltz",
}

// textWidth is how many columns a report for people has: it names the workload too.
const textWidth = 140

// leaks serves a report as run writes it.
func (h *handler) leaks(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r, "format")
	format := cmp.Or(q.format, "json")
	if err == nil && !slices.Contains(export.Formats(), format) {
		err = fmt.Errorf("no format %q; the formats are %s", format, strings.Join(export.Formats(), ", "))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.render(w, func(s *node.State, out *bytes.Buffer) error {
		report := s.Report(q.Query)
		if format == "text" {
			return report.WriteText(out, export.TextOptions{Width: textWidth})
		}
		return report.Write(out, format)
	}, contentTypes[format])
}

// profile serves what is outstanding as a pprof profile, or what has come and gone
// after some seconds.
func (h *handler) profile(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r, "seconds")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if q.seconds > 0 {
		h.delta(w, r, q)
		return
	}
	h.render(w, func(s *node.State, out *bytes.Buffer) error {
		return s.Report(q.Query).WritePprof(out)
	}, contentTypes["pprof"])
}

// render replies with what is made of the current state.
func (h *handler) render(w http.ResponseWriter, make func(*node.State, *bytes.Buffer) error, contentType string) {
	s := h.Watcher.State()
	if s == nil {
		http.Error(w, notYet, http.StatusServiceUnavailable)
		return
	}
	leave, ok := enter(h.reports, w)
	if !ok {
		return
	}
	send(w, leave, func(out *bytes.Buffer) error { return make(s, out) }, contentType)
}

// send makes a reply in a place that it leaves. All of it is made before any is sent:
// a slow reader must not keep others waiting.
func send(w http.ResponseWriter, leave func(), make func(*bytes.Buffer) error, contentType string) {
	var out bytes.Buffer
	err := func() error {
		defer leave()
		return make(&out)
	}()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	if contentType == contentTypes["html"] {
		w.Header().Set("Content-Security-Policy", export.HTMLPolicy()+"; frame-ancestors 'none'")
	}
	if name := attachments[contentType]; name != "" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	_, _ = w.Write(out.Bytes()) // whoever asked may have gone
}

// delta waits, and serves the difference. A request that is given up ends at once.
func (h *handler) delta(w http.ResponseWriter, r *http.Request, q query) {
	before := h.Watcher.State()
	if before == nil {
		http.Error(w, notYet, http.StatusServiceUnavailable)
		return
	}
	leave, ok := enter(h.waiting, w)
	if !ok {
		return
	}
	defer leave()
	// The server's own limit is for replies that come at once.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(q.seconds + before.Settings.Interval + graceTime))
	first, after, done, err := h.wait(r.Context(), before, q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	send(w, done, func(out *bytes.Buffer) error {
		second, err := after.Report(q.Query).Profile()
		if err != nil {
			return err
		}
		delta, err := export.ProfileDelta(first, second)
		if err != nil {
			return err
		}
		return delta.Write(out)
	}, contentTypes["pprof"])
}

// graceTime is how long a reply may take besides the time that it was asked to wait
// and the one until the next snapshot: others wait for the same one.
const graceTime = time.Minute

// wait makes a profile, and waits for the state with which to compare it and for a
// place to do that.
func (h *handler) wait(ctx context.Context, before *node.State, q query) (first *profile.Profile, after *node.State, leave func(), err error) {
	end := time.Now().Add(q.seconds)
	if leave, err = acquire(ctx, h.reports); err != nil {
		return nil, nil, nil, err
	}
	first, err = func() (*profile.Profile, error) {
		defer leave()
		return before.Report(q.Query).Profile()
	}()
	if err != nil {
		return nil, nil, nil, err
	}
	if after, err = h.Watcher.After(ctx, end); err != nil {
		return nil, nil, nil, err
	}
	leave, err = acquire(ctx, h.reports)
	return first, after, leave, err
}
