package web

import (
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
)

// landing serves a page that links the others.
func (h *handler) landing(w http.ResponseWriter, r *http.Request) {
	page, err := web.NewLandingPage(web.LandingConfig{
		Name:        "leaktrace",
		Description: "Which line of code created the resource that was never given back, on " + html.EscapeString(h.Node),
		Version:     html.EscapeString(h.Version),
		Profiling:   "false", // leaktrace's own profiles are not served
		Links: []web.LandingLinks{
			{Address: "/metrics", Text: "Metrics"},
			{Address: "/debug/leaks?format=html", Text: "Leaks", Description: "with a flame graph; format=text for a terminal, without format= as JSON; also ?kind=, ?namespace=, ?pod=, ?container="},
			{Address: "/debug/pprof/leaks", Text: "Profile", Description: "for pprof, Parca and Pyroscope; with ?seconds=60 what has come and gone since"},
			{Address: "/healthz", Text: "Health"},
			{Address: "/readyz", Text: "Readiness"},
		},
		ExtraHTML: h.sources(),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	page.ServeHTTP(w, r)
}

// sources says where names of workloads come from.
func (h *handler) sources() string {
	if h.Sources == nil {
		return ""
	}
	var list strings.Builder
	for _, s := range h.Sources() {
		state := "answers"
		if !s.Up {
			state = "does not answer: " + s.Err
		}
		fmt.Fprintf(&list, "<li>%s %s</li>", html.EscapeString(s.Name), html.EscapeString(state))
	}
	if list.Len() == 0 {
		return ""
	}
	return "<p>Names of pods and containers come from</p><ul>" + list.String() + "</ul>"
}
