package goroutine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// layout is where the fields of runtime.g are that differ between releases. The
// others have kept their distance to these.
type layout struct {
	goid      uint64 // atomicstatus is 8 before, waitreason 24 and trackingSeq 39 behind
	gopc      uint64 // parentGoid is 8 before, startpc 16 and waiting 32 behind
	syscallSP uint64 // syscallpc is 8 behind
}

func (l layout) status() uint64  { return l.goid - 8 }
func (l layout) reason() uint64  { return l.goid + 24 }
func (l layout) seq() uint64     { return l.goid + 39 }
func (l layout) parent() uint64  { return l.gopc - 8 }
func (l layout) start() uint64   { return l.gopc + 16 }
func (l layout) waiting() uint64 { return l.gopc + 32 }

// known is the end of all fields that point to something of the program's.
func (l layout) known() uint64 { return l.waiting() + 96 }
func (l layout) size() int     { return int(l.waiting()) + 8 }

// layouts is the layout of each release, the same on all 64-bit processors.
var layouts = map[string]layout{
	"1.22": {goid: 152, gopc: 280, syscallSP: 112},
	"1.23": {goid: 160, gopc: 288, syscallSP: 112},
	"1.24": {goid: 160, gopc: 288, syscallSP: 112},
	"1.25": {goid: 152, gopc: 280, syscallSP: 104},
	"1.26": {goid: 152, gopc: 288, syscallSP: 104},
	"1.27": {goid: 152, gopc: 288, syscallSP: 104},
}

// heapLayout is where a release keeps what tells what goroutines wait for, and what leads
// there. None of it can be found out from a process.
type heapLayout struct {
	// mask and next are words of runtime.moduledata: gcdatamask, next.
	mask, next uint64
	// late tells that the masks of types may be made when they are needed.
	late bool
	// wide tells that runtime.special has a whole word for the offset of its object, and
	// finalizer and weak are the kinds of special that a finalizer has, and an object to
	// which there are weak pointers, 0 where there are none.
	wide            bool
	finalizer, weak byte
	// locks tells that goroutines which wait for a lock say so in their g.waiting too,
	// and that runtime.sudog has two words for each pointer.
	locks bool
}

var heapLayouts = map[string]heapLayout{
	"1.22": {mask: 67, next: 73, finalizer: 1},
	"1.23": {mask: 67, next: 72, finalizer: 1, weak: 2},
	"1.24": {mask: 67, next: 72, finalizer: 1, weak: 2, late: true},
	"1.25": {mask: 67, next: 72, finalizer: 2, weak: 3, late: true},
	"1.26": {mask: 68, next: 73, finalizer: 2, weak: 3, late: true, wide: true, locks: true},
	"1.27": {mask: 65, next: 70, finalizer: 2, weak: 3, late: true, wide: true, locks: true},
}

// Offsets in runtime.sudog. Those behind elem differ.
const (
	sudogG    = 0
	sudogSize = 104
)

// element is where a sudog has the lock that is waited for, channel the channel, and link
// the next sudog of the same select.
func (l heapLayout) element() uint64 { return 32 }

func (l heapLayout) channel() uint64 {
	if l.locks {
		return 96
	}
	return 80
}

func (l heapLayout) link() uint64 {
	if l.locks {
		return 72
	}
	return 64
}

// release is the part of a version that decides: "1.26" of "go1.26.8-X:nosomething".
func release(version string) string {
	major, rest, ok := strings.Cut(strings.TrimPrefix(version, "go"), ".")
	if !ok {
		return ""
	}
	minor := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		minor = rest[:end]
	}
	return major + "." + minor
}

// oldest is the minor number of the oldest release whose goroutines are read.
const oldest = 22

// old tells the versions of releases before that.
func old(version string) bool {
	minor, err := strconv.Atoi(strings.TrimPrefix(release(version), "1."))
	return err == nil && minor < oldest
}

// errOld is returned for releases whose goroutines have other fields.
var errOld = fmt.Errorf("goroutines of Go 1.%d and later are known", oldest)

// errLayout is returned where the goroutines do not show where their fields are.
var errLayout = errors.New("its goroutines are not like those of any known release of Go")

// layoutOf finds out the layout of a program's goroutines. heads is the first of them.
func layoutOf(program Program, text section, heads [][]byte) (layout, error) {
	known, ok := layouts[release(program.Version)]
	seen, err := infer(program, text, heads)
	switch {
	case ok && errors.Is(err, errMainGone), ok && err == nil && seen == known:
		return known, nil
	case !ok && err == nil:
		return seen, nil
	case err == nil:
		err = errLayout
	}
	return layout{}, fmt.Errorf("%w (its version is %q)", err, program.Version)
}
