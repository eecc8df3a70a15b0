package export

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// maxReport bounds the size of a report that is read, in bytes. A site takes
// some 10 KiB.
const maxReport = 256 << 20

// ReadReport reads what WriteRecording or WriteJSON wrote, with fields it does not
// know. Errors say where in the file, and what was expected. What a reader may rely
// on: the states are known, each site frame is in its stack, and times and counts are
// in a sensible range. Strings are as they were: escape them. A recording that is
// damaged is read up to there: see Report.Damaged and Report.SitesMissing.
func ReadReport(r io.Reader) (*Report, error) {
	buffered := bufio.NewReader(r)
	if magic, _ := buffered.Peek(len(zstdMagic)); bytes.Equal(magic, zstdMagic) {
		return readRecording(buffered, maxReport)
	}
	raw, err := io.ReadAll(io.LimitReader(buffered, maxReport+1))
	if err != nil {
		return nil, err
	}
	return parseReport(raw, maxReport)
}

func parseReport(raw []byte, limit int) (*Report, error) {
	switch text := bytes.TrimSpace(raw); {
	case len(raw) > limit:
		return nil, fmt.Errorf("larger than %s", humanBytes(uint64(limit)))
	case len(text) == 0:
		return nil, errors.New("the file is empty")
	case text[0] != '{':
		return nil, errors.New("neither a recording of leaktrace nor a report in JSON")
	}
	if _, err := spend(maxValues, raw); err != nil {
		return nil, err
	}
	var head struct {
		Version *int             `json:"version"`
		Sites   *json.RawMessage `json:"sites"`
	}
	if err := decode(raw, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Version == nil, head.Sites == nil:
		return nil, errors.New("not a report of leaktrace run --format json: version or sites are missing")
	case *head.Version != Version:
		return nil, fmt.Errorf("the report has version %d, expected %d; use the leaktrace that wrote it", *head.Version, Version)
	}
	report := new(Report)
	if err := decode(raw, report); err != nil {
		return nil, err
	}
	return report, report.check()
}

// maxValues bounds what is in a report: a value of two bytes can take 100 in memory. A
// site has some hundreds.
const maxValues = 8 << 20

// spend takes the values of a document from those that are left.
func spend(left int, raw []byte) (int, error) {
	left -= 1 + bytes.Count(raw, []byte{','})
	if left < 0 {
		return left, fmt.Errorf("more than %s values", humanCount(maxValues))
	}
	return left, nil
}

// decode is json.Unmarshal with errors for people.
func decode(raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(raw)):
		// Where an unfinished document ends is not where it is wrong.
		return fmt.Errorf("%s: the file ends too early, expected a whole JSON document", position(raw, syntax.Offset))
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: expected JSON: %w", position(raw, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: %s: expected %s, found %s", position(raw, kind.Offset), kind.Field, expected(kind.Type), kind.Value)
	case err != nil:
		// Only times have a decoder of their own.
		return fmt.Errorf("started: expected a time such as 2006-01-02T15:04:05Z: %w", err)
	}
	return nil
}

// position turns the number of bytes read into a place: of a syntax error that
// of the bad character, of a value that of its end.
func position(raw []byte, read int64) string {
	before := raw[:max(0, min(int(read)-1, len(raw)))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}

// expected names a Go type to those who look at JSON.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	}
	return "a whole number (" + t.Kind().String() + ")"
}

// Bounds of what a report can hold, far beyond what one does.
const (
	maxSeconds = 9e9 // 285 years: a time.Duration holds no more
	maxRate    = 1e9
	maxCount   = 1 << 40
	maxListed  = 4096 // elements of a list of a site
)

var states = []verdict.State{verdict.Leaking, verdict.Suspect, verdict.Unknown, verdict.Steady, verdict.Draining}

// check is for what the types do not say.
func (r *Report) check() error {
	err := cmp.Or(
		within("duration_s", r.DurationS, 0, maxSeconds),
		within("min_age_s", r.MinAgeS, 0, maxSeconds),
		within("sites_missing", float64(r.SitesMissing), 0, maxCount), few("kinds", r.Kinds),
	)
	if err != nil {
		return err
	}
	for i, s := range r.Sites {
		if err := s.check(); err != nil {
			return fmt.Errorf("sites[%d].%w", i, err)
		}
	}
	return nil
}

func (s Site) check() error {
	switch {
	case s.Fingerprint == "":
		return errors.New("fingerprint: expected a string that is not empty")
	case s.Kind == "":
		return errors.New("kind: expected a string that is not empty")
	case !slices.Contains(states, s.State):
		return fmt.Errorf("state: expected one of %q, found %q", states, s.State)
	}
	err := cmp.Or(
		within("outstanding", float64(s.Outstanding), 0, maxCount),
		within("growth_per_s", s.GrowthPerS, -maxRate, maxRate),
		within("oldest_s", s.OldestS, 0, maxSeconds),
		within("median_age_s", s.MedianS, 0, maxSeconds),
		few("stack", s.Stack), few("samples", s.Samples), few("history", s.History), few("names", s.Names), few("limits", s.Limits),
		few("parked", s.Parked), few("created_by", s.CreatedBy), few("last_used_by", s.LastUsedBy),
		within("site_frame", float64(s.SiteFrame), -1, float64(len(s.Stack)-1)),
	)
	for i, p := range s.Parked {
		err = cmp.Or(err, within(fmt.Sprintf("parked[%d].site_frame", i), float64(p.SiteFrame), -1, float64(len(p.Stack)-1)))
	}
	for i, other := range slices.Concat(s.CreatedBy, s.LastUsedBy) {
		err = cmp.Or(err, within(fmt.Sprintf("related[%d].site_frame", i), float64(other.SiteFrame), -1, float64(len(other.Stack)-1)))
	}
	return err
}

func few[T any](field string, list []T) error {
	if len(list) > maxListed {
		return fmt.Errorf("%s: expected a list of %d at most, found %d", field, maxListed, len(list))
	}
	return nil
}

func within(field string, x, least, most float64) error {
	if x < least || x > most {
		return fmt.Errorf("%s: expected a number from %v to %v, found %v", field, least, most, x)
	}
	return nil
}
