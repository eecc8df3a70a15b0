package tracer

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Words of a live process are read wherever they are mapped, and nowhere else.
func TestRemoteWord(t *testing.T) {
	const page = 4096
	memory, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	for i := range memory {
		memory[i] = byte(i % 251)
	}
	expect := binary.NativeEndian.Uint64
	want := map[int]uint64{
		0: expect(memory), 8: expect(memory[8:]), 3: expect(memory[3:]),
		page - 8: expect(memory[page-8:]), page - 4: expect(memory[page-4:]),
		page: expect(memory[page:]), 2*page - 8: expect(memory[2*page-8:]),
	}
	if err := unix.Mprotect(memory[2*page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(memory))))
	r := remote{memory: newMemory()}
	defer r.memory.close()
	r.turn(os.Getpid(), os.Getpid())
	for _, offset := range []int{0, 3, 8, page - 8, page - 4, page, 2*page - 8, 2*page - 4, 2 * page, 2*page + 1} {
		wanted, mapped := want[offset]
		got, ok := r.Word(start + uint64(offset))
		if ok != mapped || ok && got != wanted {
			t.Errorf("at %d: got %#x, %v; want %#x, %v", offset, got, ok, wanted, mapped)
		}
	}
}
