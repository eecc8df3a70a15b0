package symbol

import (
	"debug/dwarf"
	"math"
	"path"
	"slices"
	"sort"
	"strings"
)

const (
	maxRows  = 4 << 20 // of a line table, 16 bytes each
	maxDepth = 4 << 10 // of entries in others
)

// unit is a parsed compilation unit.
type unit struct {
	d         *debugInfo
	root      dwarf.Offset
	files     []string
	sequences []sequence
	funcs     []span
	scopes    []scope
}

// sequence is the source lines of one piece of code.
type sequence struct {
	hi   uint64
	rows []row // ascending
}

type row struct {
	addr       uint64
	file, line uint32
}

// scope is an entry that has a name and the last one inside it.
type scope struct{ start, end dwarf.Offset }

// bytes is how much memory u keeps, roughly.
func (u *unit) bytes() int {
	n := 24*len(u.funcs) + 8*len(u.scopes) + 32*len(u.sequences)
	for _, f := range u.files {
		n += 16 + len(f)
	}
	for _, s := range u.sequences {
		n += 16 * len(s.rows)
	}
	return n
}

// parse reads the lines and functions of a unit. What it cannot read, or not in
// time, is left out.
func (d *debugInfo) parse(root dwarf.Offset) *unit {
	u := &unit{d: d, root: root}
	r := d.data.Reader()
	r.Seek(root)
	e, err := r.Next()
	if err != nil || e == nil {
		return u
	}
	dir, _ := e.Val(dwarf.AttrCompDir).(string)
	off, _ := e.Val(dwarf.AttrStmtList).(int64)
	if checkLines(d.line, off, len(dir), d.longest) == nil {
		if lines, err := d.data.LineReader(e); err == nil && lines != nil {
			u.readFiles(lines.Files(), dir)
			u.readLines(lines)
		}
	}
	if e.Children {
		u.readFunctions(r)
	}
	return u
}

// readFiles makes the names absolute that debug/dwarf leaves relative to the
// directory of the compilation.
func (u *unit) readFiles(files []*dwarf.LineFile, dir string) {
	for _, f := range files {
		if f == nil || f.Name == "" {
			u.files = append(u.files, "")
			continue
		}
		name := path.Clean(f.Name)
		if !path.IsAbs(name) && !strings.HasPrefix(name, path.Clean(dir)+"/") {
			name = path.Join(dir, name)
		}
		u.files = append(u.files, name)
	}
}

// readLines runs the line program. LineReader.SeekPC would do it for every
// address, and it takes sequences to be in the order of their addresses, which
// they are not when functions have their own sections.
func (u *unit) readLines(lines *dwarf.LineReader) {
	files := map[*dwarf.LineFile]uint32{}
	for i, f := range lines.Files() {
		files[f] = uint32(i)
	}
	files[nil] = math.MaxUint32
	var e dwarf.LineEntry
	var rows []row
	for n := 0; n < maxRows && lines.Next(&e) == nil; n++ {
		if n%1024 == 0 && u.d.late() || len(lines.Files()) > len(u.files) {
			return // files are added by an opcode that nobody uses
		}
		if !e.EndSequence {
			rows = append(rows, row{e.Address, files[e.File], uint32(max(0, min(e.Line, 1<<30)))})
			continue
		}
		if len(rows) > 0 && rows[0].addr != 0 && rows[0].addr < 1<<64-2 {
			u.sequences = append(u.sequences, sequence{e.Address, slices.Clone(rows)})
		}
		rows = rows[:0]
	}
}

// position returns the source line of pc.
func (u *unit) position(pc uint64) (string, int) {
	for _, s := range u.sequences {
		if i := sort.Search(len(s.rows), func(i int) bool { return s.rows[i].addr > pc }); i > 0 && pc < s.hi {
			return u.file(int64(s.rows[i-1].file)), int(s.rows[i-1].line)
		}
	}
	return "", 0
}

// file returns the name of a file by its index in the line table.
func (u *unit) file(index int64) string {
	if index < 0 || index >= int64(len(u.files)) {
		return ""
	}
	return u.files[index]
}

// readFunctions finds the functions and named scopes. Functions may be nested
// in namespaces, classes and other functions.
func (u *unit) readFunctions(r *dwarf.Reader) {
	var last dwarf.Offset
	open := []int{-1} // indices in scopes of the parents, -1 for other tags
	for n := 1; len(open) > 0 && len(open) < maxDepth && len(u.funcs) < maxSpans; n++ {
		e, err := r.Next()
		if err != nil || e == nil || n%1024 == 0 && u.d.late() {
			return
		}
		if e.Tag == 0 {
			if i := open[len(open)-1]; i >= 0 {
				u.scopes[i].end = last
			}
			open = open[:len(open)-1]
			continue
		}
		last = e.Offset
		if e.Tag == dwarf.TagSubprogram {
			u.funcs = append(u.funcs, u.d.ranges(e)...)
		}
		if !e.Children {
			continue
		}
		index := -1
		switch e.Tag {
		case dwarf.TagNamespace, dwarf.TagClassType, dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagEnumerationType, dwarf.TagSubprogram:
			index = len(u.scopes)
			u.scopes = append(u.scopes, scope{e.Offset, math.MaxUint32})
		}
		open = append(open, index)
	}
}
