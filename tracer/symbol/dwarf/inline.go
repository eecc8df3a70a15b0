package dwarf

import "strings"

// walk finds the functions and named scopes of the unit. It visits every DIE
// once; functions may be nested in namespaces, classes and other functions.
func (u *unit) walk() error {
	c, err := u.readRoot()
	if err != nil || !u.root.children {
		return err
	}
	var open []int // indices in scopes of the parents, -1 for other tags
	for c.more() {
		e := u.next(c)
		if c.err != nil {
			return c.err
		}
		if e.tag == 0 {
			if len(open) == 0 {
				return nil
			}
			if i := open[len(open)-1]; i >= 0 {
				u.scopes[i].end = uint64(c.off)
			}
			open = open[:len(open)-1]
			continue
		}
		if e.tag == tagSubprogram {
			u.eachRange(&e, func(lo, hi uint64) bool {
				u.funcs = append(u.funcs, span{lo, hi, e.off})
				return len(u.funcs) < maxSpans
			})
		}
		if !e.children {
			continue
		}
		index := -1
		switch e.tag {
		case tagNamespace, tagClass, tagStructure, tagUnion, tagEnum, tagSubprogram:
			index = len(u.scopes)
			u.scopes = append(u.scopes, scope{start: e.off, end: uint64(len(u.b))})
		}
		open = append(open, index)
	}
	return c.err
}

// lookup returns the activations at pc. Without a function it returns one
// nameless activation with the source line, and false.
func (u *unit) lookup(pc uint64) ([]Call, bool) {
	u.steps = 0
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
		return []Call{{File: file, Line: line}}, false
	}
	chain := u.inlinedAt(best.off, pc)
	calls := make([]Call, 0, len(chain))
	for i := len(chain) - 1; i >= 0; i-- {
		e := &chain[i]
		calls = append(calls, Call{Name: u.nameOf(e, 0), File: file, Line: line, Inlined: i > 0})
		// Before DWARF 3 it was not said where the call was.
		if file, line = "", 0; e.callLine.present() {
			file, line = u.fileName(e.callFile.u), int(min(e.callLine.u, 1<<30))
		}
	}
	return calls, true
}

// inlinedAt returns the function at off and the calls inlined into it that
// cover pc, outermost first.
func (u *unit) inlinedAt(off, pc uint64) []die {
	c := &cursor{b: u.b, off: int(off)}
	first := u.next(c)
	chain := []die{first}
	if !first.children {
		return chain
	}
	// skip is how many levels of children of something elsewhere are open.
	for depth, skip := 1, 0; depth > 0 && c.more(); {
		e := u.next(c)
		switch {
		case e.tag == 0:
			depth--
			skip = max(0, skip-1)
			continue
		case skip == 0 && e.tag == tagInlined && u.covers(&e, pc):
			chain = append(chain, e)
			if !e.children || len(chain) > maxInlined {
				return chain
			}
		case skip == 0 && e.children && (e.tag == tagInlined || e.tag == tagSubprogram):
			skip = 1
			depth++
			continue
		}
		if e.children {
			depth++
			if skip > 0 {
				skip++
			}
		}
	}
	return chain
}

// maxInlined bounds how deep calls are inlined.
const maxInlined = 256

// maxOrigins bounds the chain from an instance to its declaration.
const maxOrigins = 8

// nameOf finds the linkage name along the chain of e's origins, or else the
// qualified name of where the chain ends.
func (u *unit) nameOf(e *die, depth int) string {
	if s := u.text(e.linkage); s != "" {
		return s
	}
	for _, ref := range []value{e.origin, e.specification} {
		if !ref.present() || depth >= maxOrigins || !u.spend() {
			continue
		}
		if owner, target, ok := u.follow(ref); ok {
			if s := owner.nameOf(&target, depth+1); s != "" {
				return s
			}
		}
	}
	if name := u.text(e.name); name != "" {
		return u.qualify(e.off, name)
	}
	return ""
}

// follow reads the DIE that a reference is to, which may be in another unit or
// file.
func (u *unit) follow(ref value) (*unit, die, bool) {
	off, owner := ref.u, u
	var err error
	switch ref.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
	case formRefAddr:
		owner, err = u.d.unitOf(ref.u)
	case formGNURefAlt, formRefSup4, formRefSup8:
		if u.d.alt == nil {
			return nil, die{}, false
		}
		owner, err = u.d.alt.unitOf(ref.u)
	default:
		return nil, die{}, false
	}
	if err != nil {
		return nil, die{}, false
	}
	if owner != u || ref.form == formRefAddr {
		off -= owner.off
	}
	if off < owner.first || off >= uint64(len(owner.b)) {
		return nil, die{}, false
	}
	c := &cursor{b: owner.b, off: int(off)}
	e := owner.next(c)
	return owner, e, c.err == nil && e.tag != 0
}

// qualify puts the names of the namespaces and classes around off before name.
func (u *unit) qualify(off uint64, name string) string {
	var parts []string
	for _, s := range u.scopes {
		if off <= s.start || off >= s.end || len(parts) > 64 {
			continue
		}
		e := u.next(&cursor{b: u.b, off: int(s.start)})
		part := u.partName(&e)
		parts = append(parts, part)
	}
	return strings.Join(append(parts, name), "::")
}

// partName is what e adds to the qualified names of what is in it.
func (u *unit) partName(e *die) string {
	part := u.text(e.name)
	for _, ref := range []value{e.origin, e.specification} {
		if part == "" && ref.present() {
			if owner, target, ok := u.follow(ref); ok {
				part = owner.text(target.name)
			}
		}
	}
	switch {
	case part != "":
		return part
	case e.tag == tagNamespace:
		return "(anonymous namespace)"
	}
	// Classes without a name that have functions are almost always lambdas.
	return "{lambda}"
}
