package export

import (
	"slices"
	"strings"

	"github.com/leaktrace/leaktrace/tracer"
)

// siteData is a site as the page shows it. What the text report says of it is said in
// the same words.
type siteData struct {
	Kind  int    `json:"kind"`
	State string `json:"state"`
	// Name and Location are the function and the file and line that name it.
	Name     string `json:"name"`
	Location string `json:"at,omitempty"`
	Workload string `json:"workload,omitempty"`
	// Suppressed is why the leak is accepted.
	Suppressed  string `json:"suppressed,omitempty"`
	Ended       bool   `json:"ended,omitempty"`
	Outstanding int    `json:"n"`
	Growth      string `json:"growth"`
	Oldest      string `json:"oldest"`
	// MedianS is 0 where it is not known.
	MedianS float64 `json:"median"`
	Median  string  `json:"half"`
	// Times and Counts are how many objects were outstanding when: from 0, as tracing
	// began, to 255, now.
	Times  []int `json:"t,omitempty"`
	Counts []int `json:"c,omitempty"`

	Facts  []string    `json:"facts"`
	Who    []string    `json:"who,omitempty"`
	Limits []limitData `json:"limits,omitempty"`
	// Band is what objects without a stack have in common.
	Band    string      `json:"band,omitempty"`
	Role    string      `json:"role,omitempty"`
	Title   string      `json:"title,omitempty"`
	Stack   int         `json:"stack"`
	Frame   int         `json:"frame"`
	Note    string      `json:"note,omitempty"`
	Created []stackData `json:"created,omitempty"`
	Used    []stackData `json:"used,omitempty"`
	Parked  []stackData `json:"parked,omitempty"`
	Samples []string    `json:"samples,omitempty"`
	// Again is the number of the site that creates the like of these now, and 1.
	Again int `json:"again,omitempty"`
}

// limitData is a limit, with the share of it that is used and when it is reached.
type limitData struct {
	Text  string  `json:"text"`
	Share float64 `json:"share"`
}

// stackData is a stack that so many objects of a site have in common.
type stackData struct {
	Count int `json:"n"`
	// Title says what the objects do there, of those that are somewhere now.
	Title   string `json:"title,omitempty"`
	Running bool   `json:"running,omitempty"`
	Stack   int    `json:"stack"`
	Frame   int    `json:"frame"`
}

// payload is what the page of a report draws.
func (r *Report) payload(o HTMLOptions) payload {
	t := newTables("report", o)
	t.Duration = r.DurationS
	t.order(func(kind tracer.Kind) bool {
		return slices.ContainsFunc(r.Sites, func(s Site) bool { return s.Kind == kind })
	})
	numbers := make(map[*Site]int, len(r.Sites))
	for i := range r.Sites {
		numbers[&r.Sites[i]] = i + 1
	}
	for _, s := range r.Sites {
		data := t.site(s, r.Sampling != nil)
		if s.SeenAgain != "" {
			data.Again = numbers[r.again(s)]
		}
		t.Sites = append(t.Sites, data)
	}
	return t.payload
}

func (t *tables) site(s Site, sampled bool) siteData {
	name, location := s.parts()
	data := siteData{
		Kind: t.kind(string(s.Kind)), State: shown(Escape(string(s.State))), Name: name, Location: location,
		Suppressed: shown(Escape(s.Suppressed)), Ended: s.Ended, Outstanding: s.Outstanding,
		Growth: humanGrowth(s.GrowthPerS), Oldest: s.oldest(),
		MedianS: s.median(), Median: humanAge(s.MedianS),
		Role: shown(Escape(string(s.Role))), Title: roleTitles[s.Role], Note: qualityNotes[s.Quality],
		Stack: t.stack(s.Stack), Frame: s.SiteFrame, Band: s.band(),
	}
	if s.Workload != nil {
		data.Workload = shown(s.Workload.String())
	}
	for _, p := range s.History[:min(len(s.History), maxPoints)] {
		data.Times = append(data.Times, int(255*min(1, max(0, p.AtS/max(t.Duration, 1e-3)))))
		data.Counts = append(data.Counts, p.Outstanding)
	}
	near := s.bound()
	for _, fact := range s.facts(sampled) {
		if fact != near { // it is with the other limits
			data.Facts = append(data.Facts, shown(fact))
		}
	}
	if !s.Ended { // what has ended fills nothing
		for _, l := range s.Limits {
			data.Limits = append(data.Limits, limitData{shown(l.line()), round(min(1, l.Share()), 1e4)})
		}
	}
	t.relations(&data, s)
	return data
}

// median is the median age. None is known where half of the objects are older than tracing,
// and in reports of before there were any.
func (s Site) median() float64 {
	if len(s.Samples) > 0 && s.Samples[0].atLeast(s.Kind) && s.MedianS >= s.OldestS {
		return 0
	}
	return s.MedianS
}

// relations are who must act, other stacks and sample objects.
func (t *tables) relations(data *siteData, s Site) {
	blame := s.blame()
	for _, line := range []string{blame, s.initHint(), s.closers()} {
		if line != "" {
			data.Who = append(data.Who, shown(line))
		}
	}
	for _, c := range s.CreatedBy {
		data.Created = append(data.Created, stackData{Count: c.Count, Stack: t.stack(c.Stack), Frame: c.SiteFrame})
	}
	for _, u := range s.LastUsedBy {
		data.Used = append(data.Used, stackData{Count: u.Count, Stack: t.stack(u.Stack), Frame: u.SiteFrame})
	}
	for _, p := range s.Parked {
		title := p.among(s)
		switch {
		case p.Running:
		case len(p.Stack) == 0:
			title += " in an unknown place"
		default:
			title += " in"
		}
		data.Parked = append(data.Parked, stackData{p.Count, shown(title), p.Running, t.stack(p.Stack), p.SiteFrame})
	}
	for _, sample := range s.Samples {
		parts := sample.describe(s.Kind, s.Ended)
		if blame == "" && sample.ChildSample != nil {
			parts = append(parts, sample.blame(s.Ended))
		}
		if sample.BeforeTracing && !s.unseen() {
			parts = append(parts, "created before tracing")
		}
		data.Samples = append(data.Samples, shown(strings.Join(parts, ", ")))
	}
}

// maxClosers bounds how many processes are named that can close a site's sockets.
const maxClosers = 4

// closers says who can close the sockets, by its samples. Empty for other kinds.
func (s Site) closers() string {
	must, all := "can be closed by ", []string{}
	for _, sample := range s.Samples {
		if sample.SocketSample == nil {
			continue
		}
		if len(sample.Listeners) > 0 {
			must = "can be accepted and closed by "
		}
		for _, h := range slices.Concat(sample.Holders, sample.Listeners) {
			if who := h.Process.String(); !slices.Contains(all, who) {
				all = append(all, who)
			}
		}
	}
	switch {
	case len(all) == 0, s.Ended:
		return ""
	case len(all) > maxClosers:
		all = append(all[:maxClosers-1], plural(len(all)-maxClosers+1, "other process", "other processes"))
	}
	return must + enumerate(all)
}

// band is why the objects have no stack.
func (s Site) band() string {
	switch {
	case s.before():
		return "created before tracing"
	case len(s.Stack) > 0:
		return ""
	case s.Group == tracer.NotSampled:
		return tracer.NotSampled
	}
	return "no stack captured"
}
