package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// What stands between these lines of a page is made by publish.
const (
	pageBegin = "<!-- make bench BENCH=-keep writes from here -->\n"
	pageEnd   = "<!-- to here -->\n"
)

// print prints all tables.
func (r *result) print(w io.Writer) {
	r.Machine.print(w)
	for _, t := range tables {
		printTable(w, t.title, ofTable(r.Figures, t.name))
	}
}

// publish puts all tables into a page, in place of those that are there.
func (r *result) publish(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("put figures into a page: %w", err)
	}
	before, rest, begins := strings.Cut(string(page), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		return fmt.Errorf("put figures into %s: the lines that enclose them are missing", path)
	}
	var tables strings.Builder
	r.print(&tables)
	return os.WriteFile(path, []byte(before+pageBegin+tables.String()+pageEnd+after), 0o644)
}
