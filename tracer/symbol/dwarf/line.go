package dwarf

import (
	"errors"
	"path"
)

// maxLineProgram is the largest line program that is run.
const maxLineProgram = 64 << 20

// maxFiles is how many files or directories a line program may name.
const maxFiles = 1 << 16

// lineHeader is the decoded head of a line program.
type lineHeader struct {
	format
	minInst, maxOps, lineRange, opcodeBase uint8
	lineBase                               int8
	opLengths                              []byte
	dirs                                   []string
	files                                  []lineFile
	program                                *cursor
}

type lineFile struct {
	name string
	dir  uint64
}

// lineHeader reads the head of the unit's line program.
func (u *unit) lineHeader() (*lineHeader, error) {
	if u.lines != nil {
		return u.lines, nil
	}
	if !u.root.stmtList.present() {
		return nil, errors.New("the unit has no line program")
	}
	off := u.root.stmtList.u
	b, err := u.d.line.upTo(off, 12)
	if err != nil {
		return nil, err
	}
	c := &cursor{b: b}
	length, wide := c.length()
	if c.err != nil || length > maxLineProgram {
		return nil, errShort
	}
	if b, err = u.d.line.read(off+uint64(c.off), length); err != nil {
		return nil, err
	}
	h, err := u.parseLineHeader(&cursor{b: b}, wide)
	if err == nil {
		u.lines = h
	}
	return h, err
}

func (u *unit) parseLineHeader(c *cursor, wide bool) (*lineHeader, error) {
	h := &lineHeader{format: format{c.u16(), wide}}
	if h.version < 2 || h.version > 5 {
		return nil, errors.New("the line program's version is not known")
	}
	if h.version == 5 {
		c.take(2) // sizes of addresses and segment selectors
	}
	length := c.offset(wide)
	if length > uint64(len(c.b)-c.off) {
		return nil, errShort
	}
	h.program = &cursor{b: c.b, off: c.off + int(length)}
	h.minInst, h.maxOps = c.u8(), 1
	if h.version >= 4 {
		h.maxOps = c.u8()
	}
	c.u8() // default_is_stmt
	h.lineBase, h.lineRange, h.opcodeBase = int8(c.u8()), c.u8(), c.u8()
	if h.lineRange == 0 || h.opcodeBase == 0 || h.maxOps == 0 {
		return nil, errors.New("the line program's header is corrupt")
	}
	h.opLengths = c.take(uint64(h.opcodeBase) - 1)
	if h.version == 5 {
		u.tables5(c, h)
	} else {
		u.tables4(c, h)
	}
	return h, c.err
}

// tables4 reads the directories and files of versions 2 to 4, in which both
// count from 1, directory 0 being the compilation's.
func (u *unit) tables4(c *cursor, h *lineHeader) {
	h.dirs = append(h.dirs, u.text(u.root.compDir))
	for c.more() {
		dir := c.cstring()
		if len(dir) == 0 {
			break
		}
		h.dirs = append(h.dirs, string(dir))
	}
	h.files = append(h.files, lineFile{name: u.text(u.root.name)})
	for c.more() && len(h.files) < maxFiles {
		name := c.cstring()
		if len(name) == 0 {
			break
		}
		h.files = append(h.files, lineFile{string(name), c.uleb()})
		c.uleb() // time
		c.uleb() // size
	}
}

// tables5 reads the directories and files of version 5.
func (u *unit) tables5(c *cursor, h *lineHeader) {
	u.entries5(c, h, func(name string, dir uint64) { h.dirs = append(h.dirs, name) })
	u.entries5(c, h, func(name string, dir uint64) { h.files = append(h.files, lineFile{name, dir}) })
}

func (u *unit) entries5(c *cursor, h *lineHeader, add func(name string, dir uint64)) {
	type column struct{ content, form uint64 }
	var columns []column
	for range c.u8() {
		columns = append(columns, column{c.uleb(), c.uleb()})
	}
	n := c.uleb()
	if n > maxFiles {
		c.fail()
	}
	const contentPath, contentDir = 1, 2
	for ; n > 0 && c.more() && len(columns) > 0; n-- {
		start := c.off
		var name string
		var dir uint64
		for _, col := range columns {
			v := h.value(c, uint16(col.form), 0)
			switch col.content {
			case contentPath:
				name = u.text(v)
			case contentDir:
				dir = v.u
			}
		}
		if c.off == start {
			c.fail() // entries without content could go on for ever
		}
		add(name, dir)
	}
}

// path returns the full name of a file by its index.
func (h *lineHeader) path(index uint64, compDir string) string {
	if index >= uint64(len(h.files)) || h.files[index].name == "" {
		return ""
	}
	f := h.files[index]
	if path.IsAbs(f.name) {
		return path.Clean(f.name)
	}
	dir := ""
	if f.dir < uint64(len(h.dirs)) {
		dir = h.dirs[f.dir]
	}
	if !path.IsAbs(dir) && dir != compDir {
		dir = path.Join(compDir, dir)
	}
	return path.Join(dir, f.name)
}

// fileName returns the name of a file by its index in the line table.
func (u *unit) fileName(index uint64) string {
	if h, err := u.lineHeader(); err == nil {
		return h.path(index, u.text(u.root.compDir))
	}
	return ""
}

// position returns the source line of pc.
func (u *unit) position(pc uint64) (string, int) {
	h, err := u.lineHeader()
	if err != nil {
		return "", 0
	}
	row, ok := h.find(pc)
	if !ok {
		return "", 0
	}
	return h.path(row.file, u.text(u.root.compDir)), int(max(0, min(row.line, 1<<30)))
}
