package goroutine

import (
	"encoding/binary"
	"errors"
)

// headMost is how much of a runtime.g is looked at to find out its layout. No release
// has a smaller one.
const headMost = 384

// errMainGone is returned where the first goroutine, which gives the fields away, has
// ended (runtime.Goexit), and its runtime.g is another's.
var errMainGone = errors.New("its main goroutine has ended")

// behindStart is how far the last field that is read is behind the end of startpc.
const behindStart = 16

// infer finds out the layout from goroutines.
func infer(program Program, text section, heads [][]byte) (layout, error) {
	start := mainAt(program, heads[0])
	if start == 0 {
		return layout{}, errMainGone
	}
	l := layout{goid: idAt(heads)}
	if l.goid == 0 {
		return layout{}, errLayout
	}
	live := alive(heads, l)
	l.gopc = creatorAt(live, start, text)
	l.syscallSP = syscallAt(live, l)
	if l.gopc+16 != start || l.syscallSP == 0 || l.seq() >= l.parent() {
		return layout{}, errLayout
	}
	return l, nil
}

// mainAt finds startpc: the entry of runtime.main.
func mainAt(program Program, head []byte) uint64 {
	for at := uint64(headSize); at+8+behindStart <= headMost; at += 8 {
		pc := word(head, at) - program.Bias
		if f, ok := program.Table.Frame(pc); ok && f.Entry == pc {
			if calls, ok := program.Table.Lookup(pc); ok && calls[len(calls)-1].Function == "runtime.main" {
				return at
			}
		}
	}
	return 0
}

// idAt finds goid: that of the first goroutine is 1, no two are the same, and a
// status is before it.
func idAt(heads [][]byte) uint64 {
	for at := uint64(headSize + 8); at+8 <= headMost; at += 8 {
		if word(heads[0], at) == 1 && distinct(heads, at) && statuses(heads, at-8) {
			return at
		}
	}
	return 0
}

// distinct tells whether a word is another in each goroutine. One that never ran has
// no number.
func distinct(heads [][]byte, at uint64) bool {
	seen := make(map[uint64]bool, len(heads))
	for _, b := range heads {
		id := word(b, at)
		if id != 0 && seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

// statuses tells whether each goroutine has a status there.
func statuses(heads [][]byte, at uint64) bool {
	for _, b := range heads {
		if Status(binary.LittleEndian.Uint32(b[at:])&^scanBit) > lastStatus {
			return false
		}
	}
	return true
}

// alive leaves out goroutines that have ended or not begun.
func alive(heads [][]byte, l layout) (out [][]byte) {
	for _, b := range heads {
		if decodeStatus(b, l).alive() {
			out = append(out, b)
		}
	}
	return out
}

// creatorAt finds gopc: the last word before startpc that is code in all goroutines.
func creatorAt(live [][]byte, start uint64, text section) uint64 {
	for at := start - 8; at > headSize; at -= 8 {
		if all(live, func(b []byte) bool { return text.has(word(b, at)) }) {
			return at
		}
	}
	return 0
}

// syscallAt finds syscallsp. It is behind sched.bp, which of each goroutine that
// waits leads into its stack, on arm64 to the word below where that is now; where Go
// 1.25 has it releases before have zero.
func syscallAt(live [][]byte, l layout) uint64 {
	var waiting [][]byte
	for _, b := range live {
		if decodeStatus(b, l) == Waiting {
			waiting = append(waiting, b)
		}
	}
	for _, bp := range []uint64{96, 104} {
		inStack := func(b []byte) bool {
			p := word(b, bp)
			return p+8 >= word(b, offSP) && p < word(b, offHigh)
		}
		if len(waiting) > 0 && all(waiting, inStack) {
			return bp + 8
		}
	}
	return 0
}

func all(heads [][]byte, is func([]byte) bool) bool {
	for _, b := range heads {
		if !is(b) {
			return false
		}
	}
	return true
}
