package web

import (
	"bytes"
	"cmp"
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
	"folded": "text/plain; charset=utf-8",
	"pprof":  "application/octet-stream",
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

// render replies with what is made of the current state. All of it is made before
// any is sent: a slow reader must not keep others waiting.
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
	var out bytes.Buffer
	err := make(s, &out)
	leave()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	if contentType == contentTypes["pprof"] {
		w.Header().Set("Content-Disposition", `attachment; filename="leaks.pb.gz"`)
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
	first, err := h.profileOf(before, q)
	// The server's own limit is for replies that come at once.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(q.seconds + time.Minute))
	if err == nil {
		_, err = h.Watcher.After(r.Context(), time.Now().Add(q.seconds))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	h.render(w, func(s *node.State, out *bytes.Buffer) error {
		second, err := s.Report(q.Query).Profile()
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

// profileOf makes a profile once there is a place.
func (h *handler) profileOf(s *node.State, q query) (*profile.Profile, error) {
	h.reports <- struct{}{}
	defer func() { <-h.reports }()
	return s.Report(q.Query).Profile()
}
