package export

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/leaktrace/leaktrace/tracer"
)

// RecordingVersion is the version of recordings that WriteRecording writes.
// ReadReport reads those of all versions up to it.
const RecordingVersion = 1

// recordingHeader is the first line of a recording: all of a report but its sites,
// and how many of these follow.
type recordingHeader struct {
	Recording int     `json:"leaktrace_recording"`
	Sites     *int    `json:"sites"`
	Report    *Report `json:"report"`
}

// recordedSite is each further line: a site as in the JSON report, and what only a
// profile shows of it.
type recordedSite struct {
	Site
	Groups []group `json:"groups"`
}

// group is objects of a site that a profile does not tell apart.
type group struct {
	Thread  string `json:"thread,omitempty"`
	Peer    string `json:"peer,omitempty"`
	Objects int64  `json:"objects"`
	// AgeS is the sum of their ages.
	AgeS float64 `json:"age_s"`
}

// WriteRecording writes all that any format shows of the report, to be read by
// ReadReport: lines of JSON, sites that leak first, so that of a file that is cut off
// the most important part remains. They are compressed by zstd (RFC 8878), whose wide
// window finds the frames that sites have in common.
func (r *Report) WriteRecording(w io.Writer) error {
	for i := range r.Sites {
		if err := r.Sites[i].checkObjects(); err != nil {
			return err
		}
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	lines := json.NewEncoder(z)
	lines.SetEscapeHTML(false)
	head := *r
	head.Sites = []Site{}
	write := func(line any) error {
		if err := lines.Encode(line); err != nil {
			return err
		}
		return z.Flush() // what is whole can be read
	}
	if err := write(recordingHeader{RecordingVersion, new(len(r.Sites)), &head}); err != nil {
		return err
	}
	for i := range r.Sites {
		if err := write(recordedSite{r.Sites[i], r.Sites[i].grouped()}); err != nil {
			return err
		}
	}
	return z.Close()
}

// checkObjects refuses a site of which a profile, and so a recording, cannot be made.
func (s *Site) checkObjects() error {
	if len(s.objects)+len(s.groups) == 0 && s.Outstanding > 0 {
		return errors.New("a report in JSON does not have all that a profile shows: use a recording (leaktrace record)")
	}
	return nil
}

// grouped is the objects of a site as a profile shows them: those of a recording, or
// of the run itself. There are none in a report that was read from JSON.
func (s *Site) grouped() []group {
	if s.objects == nil {
		return s.groups
	}
	type labels struct{ thread, peer string }
	number := make(map[labels]int)
	var groups []group
	var ages []time.Duration
	for _, o := range s.objects {
		l := labels{threadName(o), peer(o)}
		i, known := number[l]
		if !known {
			i = len(groups)
			number[l] = i
			groups, ages = append(groups, group{Thread: l.thread, Peer: l.peer}), append(ages, 0)
		}
		groups[i].Objects++
		ages[i] += age(o, s.taken)
	}
	for i, sum := range ages {
		groups[i].AgeS = seconds(sum)
	}
	return groups
}

func threadName(o tracer.Object) string {
	if o.Kind == tracer.Thread || o.Kind == tracer.UnjoinedThread {
		return o.Name
	}
	return ""
}

// peer leaves out the port of a client: it is another one each time, and
// would keep samples apart that belong together.
func peer(o tracer.Object) string {
	switch {
	case o.Socket == nil || !o.Socket.Remote.IsValid():
		return ""
	case o.Socket.Accepted:
		return o.Socket.Remote.Addr().Unmap().String()
	default:
		return address(o.Socket.Remote)
	}
}

// zstdMagic begins every recording.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// maxWindow bounds how far back compressed data may refer, and so the memory that it
// takes to unpack it, in bytes. Ours refers to 8 MiB.
const maxWindow = 32 << 20

// Bounds of a recording, which can be a thousandth of what is unpacked of it. A line is a
// site, of which the addresses of 100,000 peers would take most.
const (
	maxLine  = 8 << 20 // bytes
	maxSites = 1 << 16
)

// readRecording reads what WriteRecording wrote, of limit bytes at most when
// unpacked. Of a file that is damaged or cut off it returns what comes before, and
// the report says so, and how many sites are missing.
func readRecording(from io.Reader, limit int64) (*Report, error) {
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("unpack recording: %w", err)
	}
	defer z.Close()
	unpacked := &io.LimitedReader{R: z, N: limit + 1}
	lines := &lineReader{from: bufio.NewReader(unpacked), values: maxValues}
	r, want, err := readHeader(lines)
	for err == nil && len(r.Sites) < want {
		var s recordedSite
		if s, err = readSite(lines); err == nil {
			r.Sites = append(r.Sites, s.Site)
		}
	}
	if err == nil {
		_, err = io.Copy(io.Discard, lines.from) // the checksum comes last
	}
	switch {
	case unpacked.N <= 0:
		return nil, fmt.Errorf("larger than %s", humanBytes(uint64(limit)))
	case r == nil:
		return nil, err
	}
	r.Damaged = r.Damaged || err != nil
	r.SitesMissing += want - len(r.Sites)
	return r, nil
}

// Damage is what is wrong with the recording that the report is of, to be said after
// its name; empty if nothing is.
func (r *Report) Damage() string {
	switch n := r.SitesMissing; {
	case n > 0:
		return fmt.Sprintf("damaged or cut off: %s of %s missing here", plural(n, "site", "sites"), humanCount(n+len(r.Sites)))
	case r.Damaged:
		return "damaged or cut off: what is shown may be wrong"
	}
	return ""
}

// lineReader reads lines of a bounded length, with so many values at most in all.
type lineReader struct {
	from   *bufio.Reader
	values int
}

func (l *lineReader) next() (line []byte, err error) {
	for more := true; more; {
		part, err := l.from.ReadSlice('\n')
		more = errors.Is(err, bufio.ErrBufferFull)
		switch line = append(line, part...); {
		case len(line) > maxLine:
			return nil, fmt.Errorf("a line is longer than %s", humanBytes(maxLine))
		case err != nil && !more && (!errors.Is(err, io.EOF) || len(line) == 0):
			return nil, err
		}
	}
	l.values, err = spend(l.values, line)
	return line, err
}

// readHeader reads the first line, and how many sites follow it.
func readHeader(lines *lineReader) (r *Report, sites int, err error) {
	line, err := lines.next()
	if err != nil {
		return nil, 0, fmt.Errorf("nothing can be read of it: %w", err)
	}
	var version struct {
		Recording int `json:"leaktrace_recording"`
	}
	if json.Unmarshal(line, &version) != nil || version.Recording < 1 {
		return nil, 0, errors.New("not a recording of leaktrace")
	}
	if version.Recording > RecordingVersion {
		return nil, 0, fmt.Errorf("a recording of version %d, and this leaktrace reads up to %d; use the one that wrote it, or a newer one",
			version.Recording, RecordingVersion)
	}
	var head recordingHeader
	if err := decode(line, &head); err != nil {
		return nil, 0, err
	}
	if head.Report == nil || head.Sites == nil {
		return nil, 0, errors.New("not a recording of leaktrace")
	}
	r = head.Report
	r.Sites = []Site{}
	err = cmp.Or(r.check(), within("sites", float64(*head.Sites), 0, maxSites))
	if err != nil {
		return nil, 0, err
	}
	return r, *head.Sites, nil
}

func readSite(lines *lineReader) (s recordedSite, err error) {
	line, err := lines.next()
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(line, &s); err != nil {
		return s, err
	}
	s.groups = s.Groups
	return s, s.check()
}
