package web

import (
	"fmt"
	"net/http"
	"time"
)

// Health is a matter of time: a snapshot is late after lateAfter intervals, but not
// before leastLate. A busy machine may take some seconds for one.
const (
	lateAfter = 3
	leastLate = time.Minute
)

// healthy tells whether snapshots are taken.
func (h *handler) healthy(w http.ResponseWriter, _ *http.Request) {
	last, late := h.started, leastLate
	if s := h.Watcher.State(); s != nil {
		last, late = s.Made, max(leastLate, lateAfter*s.Settings.Interval)
	}
	if age := time.Since(last); age > late {
		http.Error(w, fmt.Sprintf("no snapshot for %s", age.Round(time.Second)), http.StatusServiceUnavailable)
		return
	}
	writeOK(w)
}

// ready tells whether there is something to scrape.
func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	if h.Watcher.State() == nil {
		http.Error(w, notYet, http.StatusServiceUnavailable)
		return
	}
	writeOK(w)
}

const notYet = "no snapshot was taken yet"

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // whoever asked may have gone
}
