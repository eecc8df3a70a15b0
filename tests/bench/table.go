package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// result is a run as it is kept.
type result struct {
	Machine machine  `json:"machine"`
	Figures []figure `json:"figures"`
}

func readResult(path string) (*result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read previous figures: %w", err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read previous figures in %s: %w", path, err)
	}
	return &r, nil
}

func (r *result) write(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// printTable prints one table in Markdown.
func printTable(w io.Writer, title string, figures []figure) {
	if len(figures) == 0 {
		return
	}
	columns := names(figures, func(f figure) string { return f.Column })
	fmt.Fprintf(w, "\n### %s\n\n| |", title)
	for _, column := range columns {
		fmt.Fprintf(w, " %s |", column)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(columns)))
	for _, row := range names(figures, func(f figure) string { return f.Row }) {
		fmt.Fprintf(w, "| %s |", row)
		for _, column := range columns {
			fmt.Fprintf(w, " %s |", cell(figures, row, column))
		}
		fmt.Fprintln(w)
	}
}

func cell(figures []figure, row, column string) string {
	for _, f := range figures {
		if f.Row == row && f.Column == column {
			return f.String() + f.judged()
		}
	}
	return ""
}

// String is the median with the quartiles behind it, or the text.
func (f figure) String() string {
	if f.Text != "" {
		return f.Text
	}
	text := f.number(f.Median)
	if f.Unit != "" {
		text += " " + f.Unit
	}
	if f.Rounds > 1 {
		text += fmt.Sprintf(" (%s–%s)", f.number(f.Low), f.number(f.High))
	}
	return text
}

// number shows as many digits as can be trusted.
func (f figure) number(v float64) string {
	switch {
	case f.Unit == "" && v < 2:
		return fmt.Sprintf("%.3f", v)
	case math.Abs(v) < 1:
		return fmt.Sprintf("%.3g", v)
	case math.Abs(v) < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// judged says how a figure stands to its goal.
func (f figure) judged() string {
	g, ok := goals[f.key()]
	if !ok || f.Text != "" {
		return ""
	}
	sign := "≤"
	if g.atLeast {
		sign = "≥"
	}
	return fmt.Sprintf(", goal %s %g: %s", sign, g.bound, g.judge(f))
}

// compare prints what has changed since the previous figures: the median lies
// outside what the quartiles of the other run span.
func (r *result) compare(w io.Writer, before *result) {
	fmt.Fprintf(w, "\n### Compared with the figures of %s\n\n%s\n\n", before.Machine.Date, before.Machine)
	old := make(map[string]figure)
	for _, f := range before.Figures {
		old[f.key()] = f
	}
	same := 0
	fmt.Fprintln(w, "| figure | before | now | now / before |\n|---|---|---|---|")
	for _, now := range r.Figures {
		was, ok := old[now.key()]
		switch {
		case !ok || now.Text != "" || was.Median == 0:
		case now.Low <= was.High && was.Low <= now.High:
			same++
		default:
			fmt.Fprintf(w, "| %s | %s | %s | %.3f |\n", now.key(), was, now, now.Median/was.Median)
		}
	}
	fmt.Fprintf(w, "\nOf %d other figures the quartiles overlap: no change is seen.\n", same)
}
