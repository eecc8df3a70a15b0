package limit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/leaktrace/leaktrace/tracer"
)

// Own is the limits that only the user knows of: how many objects of a kind
// there may be.
type Own map[tracer.Kind]uint64

// ParseOwn parses the values of --limit: KIND=NUMBER each, and each kind once.
// The errors say what was expected.
func ParseOwn(values []string) (Own, error) {
	own := Own{}
	for _, value := range values {
		name, number, found := strings.Cut(value, "=")
		kind := tracer.Kind(name)
		limit, err := strconv.ParseUint(number, 10, 64)
		_, twice := own[kind]
		switch {
		case !found:
			return nil, fmt.Errorf("--limit %q: expected KIND=NUMBER, such as close-wait=1024", value)
		case !slices.Contains(tracer.Kinds(), kind):
			return nil, fmt.Errorf("--limit %q: no kind %q; the kinds are %s", value, name, tracer.KindNames())
		case err != nil || limit == 0 || limit >= boundless:
			return nil, fmt.Errorf("--limit %q: expected a whole number from 1 on after %s=", value, name)
		case twice:
			return nil, fmt.Errorf("--limit %q: %s was given a limit of %d before", value, name, own[kind])
		}
		own[kind] = limit
	}
	return own, nil
}

// Limit is the user's limit on a kind, of which there are so many outstanding,
// and false if the user named none.
func (o Own) Limit(kind tracer.Kind, outstanding uint64) (Limit, bool) {
	limit, ok := o[kind]
	if !ok {
		return Limit{}, false
	}
	return Limit{
		Name:     fmt.Sprintf("--limit %s=%d", kind, limit),
		Resource: Objects, Each: map[tracer.Kind]uint64{kind: 1},
		Used: outstanding, Max: limit, Shared: true,
	}, true
}
