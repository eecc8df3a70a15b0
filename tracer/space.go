package tracer

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/prometheus/procfs"
)

// mapping is one executable mapping of a process image.
type mapping struct {
	start, end uint64
	bias       uint64
	name       string // as the process sees it
	file       *file  // nil for memory that is no ELF file
}

// space is the executable mappings of one process image at one time. It never
// changes: stacks refer to it by id.
type space struct {
	id         uint32
	pid        int // whose maps it was read from
	startStack uint64
	mappings   []mapping         // sorted by start
	place      extent            // of mappings in the kernel
	listing    []*procfs.ProcMap // what mappings were made of
	procs      int               // processes that use it
	tenant     *tenant           // whose process it was read from; nil unless a node is traced
}

// current tells whether the mappings of a process are still these, without
// opening what is mapped.
func (s *space) current(proc procfs.Proc) bool {
	stat, err := proc.Stat()
	if err != nil || stat.StartStack != s.startStack {
		return false
	}
	maps, err := proc.ProcMaps()
	return err == nil && slices.EqualFunc(s.listing, executable(maps), func(a, b *procfs.ProcMap) bool {
		return a.StartAddr == b.StartAddr && a.EndAddr == b.EndAddr && a.Offset == b.Offset &&
			a.Dev == b.Dev && a.Inode == b.Inode && a.Pathname == b.Pathname
	})
}

// executable picks the mappings that a stack can lead through.
func executable(maps []*procfs.ProcMap) (out []*procfs.ProcMap) {
	for _, m := range maps {
		if m.Perms.Execute && m.Pathname != "[vsyscall]" {
			out = append(out, m)
		}
	}
	return out
}

// find returns the mapping that covers pc, or nil.
func (s *space) find(pc uint64) *mapping {
	i := sort.Search(len(s.mappings), func(i int) bool { return s.mappings[i].end > pc })
	if i == len(s.mappings) || pc < s.mappings[i].start {
		return nil
	}
	return &s.mappings[i]
}

// same reports whether two spaces describe the same image and mappings.
func (s *space) same(other *space) bool {
	return s.startStack == other.startStack && slices.Equal(s.mappings, other.mappings)
}

// threadLayout is the layout of thread control blocks in the process.
func (s *space) threadLayout() threadLayout {
	for _, m := range s.mappings {
		if m.file != nil && m.file.threads.known() {
			return m.file.threads
		}
	}
	return threadLayout{}
}

// goOnly tells an image all of whose threads are the Go runtime's.
func (s *space) goOnly() bool {
	return slices.ContainsFunc(s.mappings, func(m mapping) bool { return m.file != nil && m.file.goOnly })
}

// golang is the mapping of the Go program's code, nil if there is none.
func (s *space) golang() *mapping {
	i := slices.IndexFunc(s.mappings, func(m mapping) bool { return m.file != nil && m.file.golang })
	if i < 0 {
		return nil
	}
	return &s.mappings[i]
}

// spaces owns the spaces and mappings maps and every space that stacks may refer
// to.
type spaces struct {
	kernel   *ebpf.Map
	mappings *ebpf.Map
	free     extents // of mappings
	files    *files
	byID     map[uint32]*space
	slots    []uint32 // space id in each slot of the map, 0 for none
	lastID   uint32
}

func newSpaces(kernel, mappings *ebpf.Map, files *files) *spaces {
	return &spaces{
		kernel: kernel, mappings: mappings, files: files,
		free:  newExtents(mappings.MaxEntries()),
		byID:  make(map[uint32]*space),
		slots: make([]uint32, kernel.MaxEntries()),
	}
}

// readTries is how often mappings are read anew when an exec comes in between.
const readTries = 3

// read opens everything a process has mapped executable.
func (ss *spaces) read(proc procfs.Proc, whose *tenant) (s *space, err error) {
	if !whose.mayPublish(len(ss.slots)) {
		return nil, fmt.Errorf("too many process images of one cgroup: %w", errTablesFull)
	}
	for range readTries {
		if s, err = ss.readOnce(proc, whose); !errors.Is(err, errNewImage) {
			break
		}
	}
	return s, err
}

// errNewImage is returned when an exec would have mixed two images.
var errNewImage = errors.New("the process has just changed its image")

func (ss *spaces) readOnce(proc procfs.Proc, whose *tenant) (*space, error) {
	before, err := proc.Stat()
	if err != nil {
		return nil, err
	}
	maps, err := proc.ProcMaps()
	if err != nil {
		return nil, err
	}
	s := &space{pid: proc.PID, startStack: before.StartStack, listing: executable(maps), tenant: whose}
	for _, m := range s.listing[:min(len(s.listing), maxMappings)] {
		s.mappings = append(s.mappings, ss.open(proc.PID, m, whose))
	}
	after, err := proc.Stat()
	if err == nil && after.StartStack != before.StartStack {
		err = errNewImage
	}
	if err != nil {
		return nil, errors.Join(err, ss.close(s))
	}
	return s, nil
}

// open makes a mapping of a line of /proc/PID/maps. What is no readable ELF
// file (JIT code, [vdso]) becomes a mapping without file.
func (ss *spaces) open(pid int, m *procfs.ProcMap, whose *tenant) mapping {
	out := mapping{start: uint64(m.StartAddr), end: uint64(m.EndAddr), name: strings.TrimSuffix(m.Pathname, " (deleted)")}
	if m.Inode == 0 {
		return out
	}
	if f, err := ss.openMapped(pid, m, out.name, whose); err == nil {
		out.file = f
		out.bias = f.bias(out.start, uint64(m.Offset))
	}
	return out
}

// publish gives a space its id and writes it where the unwinder finds it.
func (ss *spaces) publish(s *space) error {
	slot, id, err := ss.slot()
	if err != nil {
		return err
	}
	if s.place, err = ss.writeMappings(s.mappings); err != nil {
		return fmt.Errorf("write mappings of process %d: %w", s.pid, err)
	}
	value := ledgerLeakSpace{Id: id, StartStack: s.startStack, First: s.place.first, Mappings: s.place.count}
	if err := ss.kernel.Put(slot, &value); err != nil {
		return fmt.Errorf("write image of process %d: %w", s.pid, err)
	}
	s.id = id
	ss.slots[slot] = id
	ss.byID[id] = s
	s.tenant.published(1)
	return nil
}

// maxMappings is LEAK_MAX_MAPPINGS in bpf/unwind.h. Frames in mappings above
// that are reported as no-mapping, and their files are not opened.
const maxMappings = 4096

// writeMappings writes the mappings of a space into the kernel.
func (ss *spaces) writeMappings(mappings []mapping) (extent, error) {
	mappings = mappings[:min(len(mappings), maxMappings)]
	count := uint32(len(mappings))
	place, ok := ss.free.take(count)
	if !ok {
		ss.reclaim()
		place, ok = ss.free.take(count)
	}
	if !ok {
		return extent{}, fmt.Errorf("%w: no room for %d mappings", errTablesFull, len(mappings))
	}
	if place.count == 0 {
		return place, nil
	}
	keys, values := make([]uint32, len(mappings)), make([]ledgerLeakMapping, len(mappings))
	for i, m := range mappings {
		keys[i] = place.first + uint32(i)
		values[i] = ledgerLeakMapping{Start: m.start, End: m.end, Bias: m.bias}
		if m.file != nil {
			values[i].First, values[i].Rows = m.file.place.first, m.file.place.count
		}
	}
	if _, err := ss.mappings.BatchUpdate(keys, values, nil); err != nil {
		ss.free.give(place)
		return extent{}, err
	}
	return place, nil
}

// ofImage finds the newest space of an image, by mm->start_stack. A process
// that ended before it was looked at has its image from its parent.
func (ss *spaces) ofImage(startStack uint64) (newest *space) {
	for _, s := range ss.byID {
		if s.startStack == startStack && (newest == nil || s.id > newest.id) {
			newest = s
		}
	}
	return newest
}

// published finds a space like another one that is in the kernel. Processes that
// forked from one before they were traced share image and mappings, and so their
// stacks can be the same.
func (ss *spaces) published(like *space) *space {
	s := ss.ofImage(like.startStack)
	if s == nil || !s.same(like) || !ss.inKernel(s) {
		return nil
	}
	return s
}

// inKernel tells whether stacks can be captured in a space.
func (ss *spaces) inKernel(s *space) bool { return ss.slots[s.id%uint32(len(ss.slots))] == s.id }

// slot finds a free slot and the next id that belongs in it.
func (ss *spaces) slot() (slot, id uint32, err error) {
	for id = ss.lastID + 1; id <= ss.lastID+uint32(len(ss.slots)); id++ {
		if slot = id % uint32(len(ss.slots)); id != 0 && ss.slots[slot] == 0 {
			ss.lastID = id
			return slot, id, nil
		}
	}
	return 0, 0, fmt.Errorf("%d process images are traced already: %w", len(ss.slots), errTablesFull)
}

// retire takes a space out of the kernel: nothing can be captured in it any
// more. Go keeps it until forget, to symbolise what was captured.
func (ss *spaces) retire(s *space) error {
	if !ss.inKernel(s) {
		return nil
	}
	slot := s.id % uint32(len(ss.slots))
	ss.slots[slot] = 0
	s.tenant.published(-1)
	return ss.kernel.Put(slot, &ledgerLeakSpace{})
}

// reclaim takes back the mappings of retired spaces, before a snapshot has passed:
// where processes come and go by the thousand the map is too small to wait for one.
func (ss *spaces) reclaim() {
	for _, s := range ss.retired() {
		ss.free.give(s.place)
		s.place = extent{}
	}
}

// forget drops a retired space and its files. Nothing walks through its mappings
// any more: it was retired before the last snapshot.
func (ss *spaces) forget(s *space) error {
	delete(ss.byID, s.id)
	return ss.close(s)
}

// close lets go of a space that is not, or no longer, in the kernel.
func (ss *spaces) close(s *space) error {
	var errs []error
	ss.free.give(s.place)
	s.place = extent{}
	for _, m := range s.mappings {
		if m.file != nil {
			errs = append(errs, ss.files.release(m.file))
		}
	}
	return errors.Join(errs...)
}

// retired lists the spaces that are out of the kernel and not yet forgotten.
func (ss *spaces) retired() []*space {
	var out []*space
	for _, s := range ss.byID {
		if !ss.inKernel(s) {
			out = append(out, s)
		}
	}
	return out
}
