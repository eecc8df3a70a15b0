package goroutine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/symbol/pclntab"
)

// Program is what the file of a process's program says of it.
type Program struct {
	// Table is the program's pclntab.
	Table *pclntab.Table
	// Version is that of Go, as `go version FILE` prints it; empty if not known.
	Version string
	// Bias is by how much addresses in memory are higher than those in the file.
	Bias uint64
}

// Runtime is the Go runtime of one process. It is used by one caller at a time.
type Runtime struct {
	program Program
	memory  Memory
	layout  layout
	list    uint64 // address of runtime.allgs
	module  uint64 // address of runtime.firstmoduledata
	spans   uint64 // address of runtime.mheap_.allspans, 0 until it is asked for
	reasons []string
	frames  map[uint64]frame // by pc, as far as it was asked for
	fresh   int              // how many of them since the scan began
	*Room
}

// Room is what a scan works with. Runtimes that are not read at the same time may
// share it.
type Room struct {
	pieces []unix.RemoteIovec
	there  []bool
	buffer []byte
	wanted []Goroutine
	tops   []byte
	stacks []uint64
	walks  []walked
	window window
}

// NewRoom returns room for a batch of goroutines: half a megabyte.
func NewRoom() *Room {
	return &Room{there: make([]bool, batch), buffer: make([]byte, batch*headMost), tops: make([]byte, batch*topOf)}
}

// Open finds the Go runtime of a process, and where its goroutines have their fields.
// A program that has just begun may have none of them yet: then the error is ErrEarly,
// and it is worth to try again.
func Open(program Program, memory Memory, room *Room) (*Runtime, error) {
	if old(program.Version) {
		return nil, fmt.Errorf("find the Go runtime: %w, and it is built with %s", errOld, program.Version)
	}
	address, ok := program.Table.Module()
	if !ok {
		return nil, errors.New("find the Go runtime: the program's file does not say where")
	}
	mod, err := readModule(memory, address+program.Bias)
	if err != nil {
		return nil, fmt.Errorf("find the Go runtime: %w", err)
	}
	r := &Runtime{program: program, memory: memory, module: address + program.Bias, frames: make(map[uint64]frame), Room: room}
	if r.list, err = findList(memory, mod.bss); err != nil {
		return nil, fmt.Errorf("find the Go runtime: %w", err)
	}
	header := make([]byte, 24)
	read(memory, header, r.list)
	heads := decodeList(header).heads(memory, headMost)
	if len(heads) == 0 {
		return nil, fmt.Errorf("find the Go runtime: %w", ErrEarly)
	}
	if r.layout, err = layoutOf(program, mod.text, heads); err != nil {
		return nil, fmt.Errorf("find the Go runtime: %w", err)
	}
	r.reasons = findReasons(memory, mod.data)
	return r, nil
}

// Reason is the text of a wait reason, as the program's own tracebacks have it; empty
// if it is not known.
func (r *Runtime) Reason(reason uint8) string {
	if int(reason) < len(r.reasons) {
		return r.reasons[reason]
	}
	return ""
}
