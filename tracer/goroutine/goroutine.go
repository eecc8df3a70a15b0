package goroutine

import "encoding/binary"

// Status is what a goroutine does (runtime.g's atomicstatus).
type Status uint32

// The statuses of goroutines that have not ended.
const (
	Runnable  Status = 1
	Running   Status = 2
	Syscall   Status = 3
	Waiting   Status = 4
	Copying   Status = 8 // its stack is being moved
	Preempted Status = 9
	// Leaked goroutines are those that the process's own goroutineleak profile has
	// found (Go 1.26).
	Leaked Status = 10

	lastStatus Status = 11
)

// scanBit is set while the garbage collector looks at a goroutine.
const scanBit = 0x1000

func decodeStatus(b []byte, l layout) Status {
	return Status(binary.LittleEndian.Uint32(b[l.status():]) &^ scanBit)
}

// alive tells goroutines from what is left of those that ended.
func (s Status) alive() bool {
	return s >= Runnable && s <= Waiting || s >= Copying && s <= Leaked
}

// Goroutine is one goroutine at one instant. Two that are equal are the same one, and
// it has not run in between, but for one that has woken a multiple of 256 times.
// Addresses are those of the process's memory.
type Goroutine struct {
	// ID is its number, which no other has or will have, and Parent that of the
	// goroutine that started it.
	ID, Parent uint64
	Status     Status
	// Reason is why it waits, for Runtime.Reason.
	Reason uint8
	// Seq counts how often it has stopped running, modulo 256.
	Seq uint8
	// Creator is where its go statement returns to, Start the function it began at.
	Creator, Start uint64
	// PC and SP are where it waits.
	PC, SP uint64

	address   uint64 // of its runtime.g
	low, high uint64 // its stack
	waiting   uint64 // the first runtime.sudog of those it waits by, or 0
}

// Waits tells whether a goroutine is in the same wait as before. Its stack may have
// been moved meanwhile: the garbage collector shrinks those that are too large.
func (g *Goroutine) Waits(before *Goroutine) bool {
	return g.ID == before.ID && g.Seq == before.Seq && g.Status == before.Status && g.Reason == before.Reason && g.PC == before.PC
}

// decode reads a goroutine from its runtime.g.
func decode(b []byte, address uint64, l layout) (g Goroutine, ok bool) {
	g = Goroutine{
		ID: word(b, l.goid), Parent: word(b, l.parent()), Status: decodeStatus(b, l),
		Reason: b[l.reason()], Seq: b[l.seq()],
		Creator: word(b, l.gopc), Start: word(b, l.start()),
		PC: word(b, offPC), SP: word(b, offSP),
		address: address, low: word(b, offLow), high: word(b, offHigh), waiting: word(b, l.waiting()),
	}
	if g.Status == Syscall {
		g.SP, g.PC = word(b, l.syscallSP), word(b, l.syscallSP+8)
	}
	return g, g.plausible(b)
}

// plausible tells whether a runtime.g is that of a goroutine that is alive.
func (g *Goroutine) plausible(b []byte) bool {
	return g.ID != 0 && g.Status.alive() && g.low <= g.high && word(b, offSelf) == g.address
}

// still tells goroutines whose stack does not change for now.
func (g *Goroutine) still() bool {
	switch g.Status {
	case Waiting, Syscall, Leaked, Preempted:
		return g.SP >= g.low && g.SP < g.high
	}
	return false
}
