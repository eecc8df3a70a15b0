package symbol

import (
	"debug/dwarf"
	"slices"
)

const (
	maxInlined = 256 // how deep calls are inlined
	maxOrigins = 8   // from an instance of a function to its declaration
	maxParts   = 64  // of a qualified name
)

// lookup returns the activations at pc. Without a function it returns one
// nameless activation with the source line, and false.
func (u *unit) lookup(pc uint64) ([]call, bool) {
	file, line := u.position(pc)
	var best *span
	for i := range u.funcs {
		f := &u.funcs[i]
		if pc >= f.lo && pc < f.hi && (best == nil || f.hi-f.lo < best.hi-best.lo) {
			best = f
		}
	}
	if best == nil {
		if file == "" {
			return nil, false
		}
		return []call{{file: file, line: line}}, false
	}
	chain := u.inlinedAt(best.off, pc)
	calls := make([]call, 0, len(chain))
	for i := len(chain) - 1; i >= 0; i-- {
		calls = append(calls, call{u.d.nameOf(chain[i]), file, line, i > 0})
		// Before DWARF 3 it was not said where the call was.
		file, line = "", 0
		if n, ok := chain[i].Val(dwarf.AttrCallLine).(int64); ok {
			index, _ := chain[i].Val(dwarf.AttrCallFile).(int64)
			file, line = u.file(index), int(max(0, min(n, 1<<30)))
		}
	}
	return calls, true
}

// inlinedAt returns the function at off and the calls inlined into it that
// cover pc, outermost first.
func (u *unit) inlinedAt(off dwarf.Offset, pc uint64) []*dwarf.Entry {
	r := u.d.data.Reader()
	r.Seek(off)
	e, err := r.Next()
	if err != nil || e == nil || !e.Children {
		return []*dwarf.Entry{e}
	}
	chain := []*dwarf.Entry{e}
	// hidden is the depth of the children of something elsewhere, 0 if none.
	for depth, hidden := 1, 0; depth > 0 && depth < maxDepth; {
		e, err := r.Next()
		if err != nil || e == nil || u.d.late() {
			break
		}
		if e.Tag == 0 {
			if depth--; depth < hidden {
				hidden = 0
			}
			continue
		}
		switch {
		case hidden > 0:
		case e.Tag == dwarf.TagInlinedSubroutine && u.covers(e, pc):
			chain = append(chain, e)
			if !e.Children || len(chain) > maxInlined {
				return chain
			}
		case e.Children && (e.Tag == dwarf.TagInlinedSubroutine || e.Tag == dwarf.TagSubprogram):
			hidden = depth + 1
		}
		if e.Children {
			depth++
		}
	}
	return chain
}

func (u *unit) covers(e *dwarf.Entry, pc uint64) bool {
	for _, s := range u.d.ranges(e) {
		if pc >= s.lo && pc < s.hi {
			return true
		}
	}
	return false
}

// attrMIPSLinkageName is what AttrLinkageName was before DWARF 4.
const attrMIPSLinkageName dwarf.Attr = 0x2007

// nameOf finds the linkage name along the chain of e's origins, or else the
// qualified name of where the chain ends; "" if both are in another file.
func (d *debugInfo) nameOf(e *dwarf.Entry) string {
	var named *dwarf.Entry
	for n := 0; e != nil && n < maxOrigins; n++ {
		for _, attr := range []dwarf.Attr{dwarf.AttrLinkageName, attrMIPSLinkageName} {
			if s := text(e, attr); s != "" {
				return s
			}
		}
		if text(e, dwarf.AttrName) != "" {
			named = e
		}
		e = d.origin(e)
	}
	return d.qualify(named, 0)
}

// text returns an attribute that is a string, "" if there is none.
func text(e *dwarf.Entry, attr dwarf.Attr) string {
	s, _ := e.Val(attr).(string)
	return s
}

// origin returns the entry that e is an instance or the definition of, which
// may be in another unit; nil if there is none or it is in another file.
func (d *debugInfo) origin(e *dwarf.Entry) *dwarf.Entry {
	for _, attr := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		if off, ok := e.Val(attr).(dwarf.Offset); ok {
			return d.entry(off)
		}
	}
	return nil
}

// entry reads the entry at off; nil if it cannot.
func (d *debugInfo) entry(off dwarf.Offset) *dwarf.Entry {
	r := d.data.Reader()
	r.Seek(off)
	if e, err := r.Next(); err == nil && e != nil && e.Tag != 0 {
		return e
	}
	return nil
}

// qualify returns e's name after those of the namespaces, classes and functions
// around it. What is around the origin of one of these is around e too.
func (d *debugInfo) qualify(e *dwarf.Entry, depth int) string {
	for n := 0; e != nil && text(e, dwarf.AttrName) == "" && n < maxOrigins; n++ {
		e = d.origin(e)
	}
	if e == nil || depth > maxOrigins {
		return ""
	}
	name, parts := text(e, dwarf.AttrName), 0
	for _, s := range slices.Backward(d.unitOf(e.Offset).scopes) {
		if e.Offset <= s.start || e.Offset > s.end || parts == maxParts {
			continue
		}
		parts++
		around := d.entry(s.start)
		part := text(around, dwarf.AttrName)
		if o := d.origin(around); part == "" && o != nil {
			if outer := d.qualify(o, depth+1); outer != "" {
				return outer + "::" + name
			}
		}
		switch {
		case part != "":
		case around.Tag == dwarf.TagNamespace:
			part = "(anonymous namespace)"
		default:
			// Classes without a name that have functions are almost always lambdas.
			part = "{lambda}"
		}
		name = part + "::" + name
	}
	return name
}
