package main

import "slices"

// figure is one cell of a table.
type figure struct {
	Table  string `json:"table"`
	Row    string `json:"row"`
	Column string `json:"column"`
	// Unit is "" for a ratio.
	Unit string `json:"unit,omitempty"`
	// Median and quartiles of all rounds.
	Median float64 `json:"median,omitempty"`
	Low    float64 `json:"low,omitempty"`
	High   float64 `json:"high,omitempty"`
	Rounds int     `json:"rounds,omitempty"`
	// Text is what a cell says that is no number.
	Text string `json:"text,omitempty"`
}

// key names a figure across runs.
func (f figure) key() string { return f.Table + "/" + f.Row + "/" + f.Column }

// add adds a figure of the values of all rounds.
func (b *bench) add(table, row, column, unit string, values []float64) {
	if len(values) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(values))
	b.figures = append(b.figures, figure{
		Table: table, Row: row, Column: column, Unit: unit, Rounds: len(values),
		Low: quantile(sorted, 0.25), Median: quantile(sorted, 0.5), High: quantile(sorted, 0.75),
	})
}

// say adds a cell of text.
func (b *bench) say(table, row, column, text string) {
	b.figures = append(b.figures, figure{Table: table, Row: row, Column: column, Text: text})
}

// quantile is the q-th part of sorted values, interpolated.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func ofTable(figures []figure, table string) []figure {
	var of []figure
	for _, f := range figures {
		if f.Table == table {
			of = append(of, f)
		}
	}
	return of
}

// names returns the distinct names that get gives, in the order of their
// first appearance.
func names(figures []figure, get func(figure) string) []string {
	var out []string
	for _, f := range figures {
		if !slices.Contains(out, get(f)) {
			out = append(out, get(f))
		}
	}
	return out
}

// goal is what issue 4 wants of a figure.
type goal struct {
	bound   float64
	atLeast bool
}

// noisy is the spread of the quartiles, as part of the median, from which on a
// median near the goal says nothing.
const noisy = 0.1

// judge says whether a figure reaches the goal: by its median, unless rounds
// differ too much for that.
func (g goal) judge(f figure) string {
	if g.reached(f.Low) != g.reached(f.High) && f.High-f.Low > noisy*f.Median {
		return "too noisy to say"
	}
	if g.reached(f.Median) {
		return "met"
	}
	return "missed"
}

func (g goal) reached(value float64) bool {
	if g.atLeast {
		return value >= g.bound
	}
	return value <= g.bound
}

// goals are by the key of a figure.
var goals = map[string]goal{
	"loops/thread/leaktrace":                         {bound: 1.10},
	"loops/fork/leaktrace":                           {bound: 1.03},
	"loops/tcp/leaktrace":                            {bound: 1.10},
	"loops/recv/leaktrace":                           {bound: 1.03},
	"servers/nginx, keep-alive/throughput":           {bound: 0.99, atLeast: true},
	"servers/nginx, connection a request/throughput": {bound: 0.99, atLeast: true},
	"servers/redis/throughput":                       {bound: 0.99, atLeast: true},
	"own/CPU at 10,000 creations/s/leaktrace":        {bound: 2},
	"own/CPU at rest/leaktrace":                      {bound: 0.1},
	"own/memory with kernel maps/leaktrace":          {bound: 64},
	"stack/warm/net":                                 {bound: 700},
	"stack/after 64 MiB of other memory/net":         {bound: 2500},
}
