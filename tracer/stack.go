package tracer

import (
	"cmp"
	"errors"
	"fmt"
	"weak"

	"github.com/cilium/ebpf"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// stack is a symbolised stack of the stacks map.
type stack struct {
	*content
	space, scope uint32
}

// fingerprintKey says what a stack is the fingerprint of.
type fingerprintKey struct {
	kind Kind
	role Role
}

// stacks resolves stack ids. What it has resolved it keeps for as long as there
// are objects, which may outlive the process that created them: see age.go.
type stacks struct {
	kernel    *ebpf.Map
	uses      *ebpf.Map // of stacks that used a socket
	spaces    *spaces
	known     map[uint64]*stack
	usesKnown int               // how many of known are uses
	usesFresh int               // how many of them came since pruneUses
	rescued   map[string]*stack // by content: of many ids one stack is kept
	contents  contents
	frame     []symbol.Frame      // of the stack that was symbolised last
	callers   map[uint32]*callers // by scope
	perfMaps  perfMaps
}

func newStacks(kernel, uses *ebpf.Map, spaces *spaces) *stacks {
	return &stacks{
		kernel: kernel, uses: uses, spaces: spaces,
		known:    make(map[uint64]*stack),
		rescued:  make(map[string]*stack),
		contents: contents{byHash: make(map[uint64]weak.Pointer[content])},
		callers:  make(map[uint32]*callers),
		perfMaps: newPerfMaps(maxPerfMaps),
	}
}

// qualities names what the unwinder reports.
var qualities = map[ledgerLeakCounter]Quality{
	ledgerLeakCounterLEAK_STACK_COMPLETE:   Complete,
	ledgerLeakCounterLEAK_STACK_FP_USED:    FPUsed,
	ledgerLeakCounterLEAK_STACK_TRUNCATED:  Truncated,
	ledgerLeakCounterLEAK_STACK_NO_MAPPING: NoMapping,
	ledgerLeakCounterLEAK_STACK_NONE:       NoStack,
}

// resolve symbolises a stack at first sight, while its process lives: of the process
// with a pid, 0 where that is not known.
func (ss *stacks) resolve(id uint64, pid int) error {
	if ss.known[id] != nil {
		return nil
	}
	var raw ledgerLeakStack
	if err := ss.mapOf(id).Lookup(id, &raw); err != nil {
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil // the map was full: counted by the kernel
		}
		return fmt.Errorf("read stack %#x: %w", id, err)
	}
	frames := raw.Frames[:min(int(raw.Depth), len(raw.Frames))]
	ss.keep(id, whence{raw.Space, raw.Scope, pid}, frames, qualities[ledgerLeakCounter(raw.Quality)])
	return nil
}

// unknown are the ids of stacks, which are counted, that were not resolved yet.
func (ss *stacks) unknown(counts ...map[uint64]uint64) map[uint64]int {
	out := make(map[uint64]int)
	for _, ids := range counts {
		for id := range ids {
			if ss.known[id] == nil {
				out[id] = 0
			}
		}
	}
	return out
}

// isUse tells the stacks that used a socket by their ids.
func isUse(id uint64) bool { return ledgerLeakKind(id&stackKindMask) == ledgerLeakKindLEAK_USE }

func (ss *stacks) mapOf(id uint64) *ebpf.Map {
	if isUse(id) {
		return ss.uses
	}
	return ss.kernel
}

// maxUses is how many stacks that used a socket are kept beyond those that
// sockets refer to. A program can have any number of them.
const maxUses = 4096

// pruneUses forgets the uses that no socket refers to, once there are many.
func (ss *stacks) pruneUses(sockets []socket) {
	if ss.usesFresh < maxUses {
		return
	}
	wanted := make(map[uint64]bool, len(sockets))
	for i := range sockets {
		wanted[sockets[i].UseStack] = true
	}
	ss.usesKnown, ss.usesFresh = 0, 0
	for id := range ss.known {
		if isUse(id) && !wanted[id] {
			delete(ss.known, id)
		} else if isUse(id) {
			ss.usesKnown++
		}
	}
}

// whence is where a stack was captured first: the image, whose process it was, and its
// pid, 0 if that is not known.
type whence struct {
	space, scope uint32
	pid          int
}

// scope is whose stack an id stands for; 0 when that is not known.
func (ss *stacks) scope(id uint64) uint32 {
	if without := uint32(id) &^ stackIDMask; without == 0 || without == idUnsampled {
		return uint32(id >> scopeShift)
	}
	if known := ss.known[id]; known != nil {
		return known.scope
	}
	return 0
}

// keep symbolises a stack that objects may refer to from now on.
func (ss *stacks) keep(id uint64, from whence, frames []uint64, quality Quality) {
	ss.known[id] = &stack{ss.content(from, frames, quality), from.space, from.scope}
	if isUse(id) {
		ss.usesKnown++
		ss.usesFresh++
		ss.call(ss.known[id])
	}
}

// content symbolises a stack.
func (ss *stacks) content(from whence, frames []uint64, quality Quality) *content {
	return ss.contents.of(ss.symbolise(from, frames, quality))
}

// symbolise names the return addresses of a stack. Its frames are good until the
// next call.
func (ss *stacks) symbolise(from whence, frames []uint64, quality Quality) Stack {
	out := Stack{Frames: ss.frame[:0], Quality: quality}
	for _, pc := range frames {
		out.Frames = append(out.Frames, ss.frames(ss.spaces.byID[from.space], from.pid, pc)...)
	}
	ss.frame = out.Frames
	out.Site = symbol.Site(out.Frames)
	return out
}

// keepRescued is keep for a stack that may come again under another id.
func (ss *stacks) keepRescued(id uint64, from whence, frames []uint64, quality Quality) {
	key := fmt.Sprint(from.space, from.scope, quality, frames)
	if ss.rescued[key] == nil {
		ss.keep(id, from, frames, quality)
		ss.rescued[key] = ss.known[id]
	}
	ss.known[id] = ss.rescued[key]
}

// get returns a stack, one without frames when it is not known.
func (ss *stacks) get(id uint64) Stack {
	if known := ss.known[id]; known != nil {
		return known.Stack
	}
	return Stack{Site: -1, Quality: NoStack}
}

// find is get without a copy; nil when the stack is not known.
func (ss *stacks) find(id uint64) *Stack {
	if known := ss.known[id]; known != nil {
		return &known.Stack
	}
	return nil
}

// fingerprint returns the fingerprint of a site. Which frame of a last use is
// shown does not matter: that depends on what other uses were seen so far.
func (ss *stacks) fingerprint(kind Kind, from origin) string {
	known := ss.known[from.stack]
	if known == nil || len(known.Frames) == 0 {
		return symbol.Fingerprint(string(kind)+" "+from.group, nil)
	}
	key, what := fingerprintKey{kind: kind}, string(kind)
	if from.role == LastUsed {
		key.role, what = LastUsed, what+" "+string(LastUsed)
	}
	if _, ok := known.fingerprints[key]; !ok {
		known.fingerprints[key] = symbol.Fingerprint(what, known.Frames)
	}
	return known.fingerprints[key]
}

// frames symbolises one return address of the process with a pid, 0 where that is not
// known.
func (ss *stacks) frames(s *space, pid int, pc uint64) []symbol.Frame {
	if s == nil {
		return []symbol.Frame{{Address: pc}}
	}
	m := s.find(pc - 1)
	switch {
	case m == nil:
		return []symbol.Frame{{Address: pc}}
	case m.file != nil:
		return m.file.symbols.Frames(pc - m.bias)
	}
	frame := ss.generated(s, pid, pc-1)
	frame.Module, frame.Address = m.name, pc
	return []symbol.Frame{frame}
}

// generated names an address of code that is in no file. A child that shares its parent's
// space compiles for itself, and has what the parent had compiled before.
func (ss *stacks) generated(s *space, pid int, address uint64) (frame symbol.Frame) {
	for _, pid := range [...]int{cmp.Or(pid, s.pid), s.pid} {
		if symbols := ss.perfMaps.of(pid, s.tenant); symbols != nil {
			if frame, ok := symbols.Frame(address); ok {
				return frame
			}
		}
	}
	return frame
}

// sweep resolves the kernel's stacks that no event told of.
func (ss *stacks) sweep() error {
	var ids []uint64
	var id uint64
	err := ss.kernel.NextKey(nil, &id)
	for err == nil && len(ids) < int(ss.kernel.MaxEntries()) {
		ids = append(ids, id)
		err = ss.kernel.NextKey(id, &id)
	}
	if ignoreMissing(err) != nil {
		return fmt.Errorf("list stacks: %w", err)
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, ss.resolve(id, 0))
	}
	return errors.Join(errs...)
}

// forget removes what the kernel keeps of the stacks of retired spaces: no new
// object can have them.
func (ss *stacks) forget(retired []*space) error {
	gone := make(map[uint32]bool, len(retired))
	for _, s := range retired {
		gone[s.id] = true
	}
	var errs []error
	for id, known := range ss.known {
		if !gone[known.space] {
			continue
		}
		errs = append(errs, ss.delete(id))
	}
	return errors.Join(errs...)
}

// delete removes what the kernel keeps of a stack, if it does.
func (ss *stacks) delete(id uint64) error {
	if err := ignoreMissing(ss.mapOf(id).Delete(id)); err != nil {
		return fmt.Errorf("delete stack %#x: %w", id, err)
	}
	return nil
}
