package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/tracer"
)

// maxSeconds bounds how long a request for what changes may wait.
const maxSeconds = 600

// query is what a request asks for.
type query struct {
	node.Query
	format  string
	seconds time.Duration
}

// filters are the parameters that all requests for leaks have.
var filters = []string{"kind", "namespace", "pod", "container"}

// parseQuery reads the filters and those other parameters that are allowed. A
// parameter that is not known is an error: to ignore it would show too much.
func parseQuery(r *http.Request, more ...string) (q query, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, fmt.Errorf("read the query: %w", err)
	}
	allowed := append(slices.Clone(filters), more...)
	for name := range values {
		if !slices.Contains(allowed, name) {
			return q, fmt.Errorf("no parameter %q; there are %s", name, strings.Join(allowed, ", "))
		}
	}
	q.Namespaces, q.Pods, q.Containers = values["namespace"], values["pod"], values["container"]
	for _, name := range values["kind"] {
		if !slices.Contains(tracer.Kinds(), tracer.Kind(name)) {
			return q, fmt.Errorf("no kind %q; the kinds are %s", name, tracer.KindNames())
		}
		q.Kinds = append(q.Kinds, tracer.Kind(name))
	}
	q.format = values.Get("format")
	if text := values.Get("seconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxSeconds {
			return q, fmt.Errorf("seconds=%q: expected a whole number from 1 to %d", text, maxSeconds)
		}
		q.seconds = time.Duration(n) * time.Second
	}
	return q, nil
}
