package symbol

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const cProgram = `#include <stdio.h>
static int leaf(volatile int *p) { puts("x"); return *p + 1; }
static inline __attribute__((always_inline)) int middle(volatile int *p) { int a = leaf(p); puts("m"); return a + 2; }
__attribute__((noinline)) int outer(volatile int *p) {
  int s = 0;
  for (int i = 0; i < *p; i++)
    s += middle(p);
  return s + leaf(p);
}
int main(int argc, char **argv) { volatile int n = argc; return outer(&n) + middle(&n); }
`

const cxxProgram = `#include <cstdio>
namespace app { namespace {
template <typename T> struct Pool {
  __attribute__((noinline)) static int spawn(T x) { std::puts("x"); return grow(x) + 1; }
  __attribute__((always_inline)) static int grow(T x) { std::puts("g"); auto f = [&](int k) { std::puts("l"); return k; }; return f(1); }
};
} 
int run(int n) { return Pool<int>::spawn(n) + Pool<char>::spawn(1); } }
int main(int c, char **) { return app::run(c); }
`

const rustProgram = `
mod pool {
    #[inline(always)] fn grow(n: usize) -> usize { println!("g"); n + 1 }
    #[inline(never)] pub fn spawn<T: Into<usize>>(n: T) -> usize { let f = |k: usize| { println!("{k}"); grow(k) }; f(n.into()) }
}
fn main() { std::process::exit((pool::spawn(1u8) + pool::spawn(2u16)) as i32 & 1) }
`

// TestAddr2line compares every call in the functions of compiled programs with
// binutils' addr2line.
func TestAddr2line(t *testing.T) {
	for _, test := range []struct {
		name, source, file, functions string
		compile                       []string
	}{
		{"c dwarf5", cProgram, "a.c", "main outer", []string{"gcc", "-O2", "-g", "a.c", "-o", "a"}},
		{"c dwarf4", cProgram, "a.c", "main outer", []string{"gcc", "-O2", "-gdwarf-4", "a.c", "-o", "a"}},
		{"c dwarf2", cProgram, "a.c", "main outer", []string{"gcc", "-O2", "-gdwarf-2", "-gstrict-dwarf", "a.c", "-o", "a"}},
		{"c dwarf3 sections", cProgram, "a.c", "main outer", []string{"gcc", "-O2", "-gdwarf-3", "-ffunction-sections", "-no-pie", "a.c", "-o", "a"}},
		{"c compressed", cProgram, "a.c", "main outer", []string{"gcc", "-O2", "-g", "-gz", "a.c", "-o", "a"}},
		{"c lto", cProgram, "a.c", "main outer", []string{"gcc", "-O2", "-g", "-flto", "a.c", "-o", "a"}},
		{"c clang", cProgram, "a.c", "main outer", []string{"clang-19", "-O2", "-g", "a.c", "-o", "a"}},
		{"cxx", cxxProgram, "a.cc", "app::", []string{"g++", "-O2", "-g", "a.cc", "-o", "a"}},
		{"cxx clang", cxxProgram, "a.cc", "app::", []string{"clang++-19", "-O2", "-gdwarf-5", "a.cc", "-o", "a"}},
		{"rust legacy", rustProgram, "a.rs", "a::pool", []string{rustc(t), "-O", "-g", "a.rs", "-o", "a"}},
		{"rust v0", rustProgram, "a.rs", "a::pool", []string{rustc(t), "-O", "-g", "-Csymbol-mangling-version=v0", "a.rs", "-o", "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, test.file, test.source)
			run(t, dir, test.compile[0], test.compile[1:]...)
			compareAddr2line(t, dir, strings.Fields(test.functions))
		})
	}
}

// calls returns the return addresses of calls in functions whose demangled
// name starts with one of the prefixes.
func calls(t *testing.T, dir string, prefixes []string) []uint64 {
	t.Helper()
	var found []uint64
	in, wasCall := false, false
	for _, line := range strings.Split(run(t, dir, "objdump", "-d", "-C", "--no-show-raw-insn", "a"), "\n") {
		if i := strings.Index(line, " <"); i > 0 && strings.HasSuffix(line, ">:") {
			in = false
			for _, p := range prefixes {
				in = in || strings.Contains(line, "<"+p)
			}
			wasCall = false
			continue
		}
		text, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		addr, err := strconv.ParseUint(text, 16, 64)
		if !ok || err != nil {
			continue
		}
		if in && wasCall {
			found = append(found, addr)
		}
		wasCall = strings.Contains(line, "\tcall")
	}
	if len(found) < 2 {
		t.Fatalf("only %d calls found", len(found))
	}
	return found
}

func compareAddr2line(t *testing.T, dir string, prefixes []string) {
	f := open(t, filepath.Join(dir, "a"), "")
	inlined := 0
	for _, addr := range calls(t, dir, prefixes) {
		out := run(t, dir, "addr2line", "-fie", "a", fmt.Sprintf("%#x", addr-1))
		lines := strings.Split(strings.TrimSpace(out), "\n")
		frames := f.Frames(addr)
		if len(frames) != len(lines)/2 {
			t.Errorf("%#x: %d frames, addr2line says\n%s\n%+v", addr, len(frames), out, frames)
			continue
		}
		for i, fr := range frames {
			place, _, _ := strings.Cut(lines[2*i+1], " (discriminator")
			place = strings.Replace(strings.TrimPrefix(place, "??"), ":?", ":0", 1)
			// With link-time optimisation addr2line takes the unit's name.
			place = strings.Replace(place, "<artificial>", "a.c", 1)
			if got := fmt.Sprintf("%s:%d", fr.File, fr.Line); got != strings.TrimPrefix(filepath.Clean(place), ".") || fr.Address != addr {
				t.Errorf("%#x frame %d: got %s, addr2line says %s", addr, i, got, place)
			}
			// addr2line has the bare name where there is no linkage name.
			// and the enclosing function's where there is only a specification.
			physical := frames[len(frames)-1].Function
			if want := readable(lines[2*i]); fr.Function != want && want != physical && !strings.HasSuffix(fr.Function, "::"+want) && !strings.Contains(fr.Function, want) {
				t.Errorf("%#x frame %d: got %s, addr2line says %s", addr, i, fr.Function, want)
			}
			if fr.Inlined != (i < len(frames)-1) {
				t.Errorf("%#x frame %d: inlined is %v", addr, i, fr.Inlined)
			}
			if fr.Inlined {
				inlined++
			}
		}
	}
	if inlined == 0 {
		t.Error("no inlined function was seen")
	}
}

const inlinedProgram = `#include <cstdio>
namespace app {
struct Pool {
  int size;
  __attribute__((always_inline)) int grow(int n) { std::puts("grow"); return size + n; }
};
__attribute__((noinline)) int spawn(Pool &p, int n) {
  auto each = [&](int k) __attribute__((always_inline)) {
    std::puts("each");
    return k + p.size;
  };
  int sum = each(n) + 1;
  return p.grow(sum) + 2;
}
}
int main(int argc, char **) { app::Pool p{argc}; return app::spawn(p, argc); }
`

// TestInlinedNames says what C++ functions that were inlined are called. For
// g++'s lambdas addr2line has the name of the function around them.
func TestInlinedNames(t *testing.T) {
	for compiler, lambda := range map[string]string{
		"g++": "app::spawn::{lambda}::operator()", "clang++-19": "app::spawn()::$_0::operator()",
	} {
		t.Run(compiler, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "a.cc", inlinedProgram)
			run(t, dir, compiler, "-O2", "-g", "a.cc", "-o", "a")
			f := open(t, filepath.Join(dir, "a"), "")
			var got []string
			for _, addr := range calls(t, dir, []string{"app::spawn"}) {
				for _, fr := range f.Frames(addr) {
					got = append(got, fmt.Sprintf("%s:%d", fr.Function, fr.Line))
				}
			}
			want := []string{lambda + ":9", "app::spawn:12", "app::Pool::grow:5", "app::spawn:13"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestSeparateDebug finds the line information of stripped programs.
func TestSeparateDebug(t *testing.T) {
	build := func(t *testing.T) (string, []Frame, uint64) {
		dir := t.TempDir()
		write(t, dir, "a.c", cProgram)
		run(t, dir, "gcc", "-O2", "-g", "-Wl,--build-id", "a.c", "-o", "a")
		addr := calls(t, dir, []string{"outer"})[0]
		want := open(t, filepath.Join(dir, "a"), "").Frames(addr)
		run(t, dir, "objcopy", "--only-keep-debug", "a", "a.debug")
		return dir, want, addr
	}
	check := func(t *testing.T, dir, name, root string, addr uint64, want []Frame) {
		t.Helper()
		f, err := os.Open(filepath.Join(dir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(f, name, root)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		got := s.Frames(addr)
		for i := range got {
			got[i].Module = filepath.Join(dir, "a")
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	t.Run("build id", func(t *testing.T) {
		dir, want, addr := build(t)
		id := want[0].BuildID
		run(t, dir, "strip", "a")
		run(t, dir, "mkdir", "-p", "root/usr/lib/debug/.build-id/"+id[:2])
		run(t, dir, "mv", "a.debug", "root/usr/lib/debug/.build-id/"+id[:2]+"/"+id[2:]+".debug")
		check(t, dir, "/bin/a", filepath.Join(dir, "root"), addr, want)
	})
	t.Run("debuglink", func(t *testing.T) {
		dir, want, addr := build(t)
		run(t, dir, "strip", "-R", ".note.gnu.build-id", "a")
		run(t, dir, "objcopy", "--add-gnu-debuglink=a.debug", "a")
		for i := range want {
			want[i].BuildID = ""
		}
		for _, place := range []string{"root/opt", "root/opt/.debug", "root/usr/lib/debug/opt"} {
			run(t, dir, "mkdir", "-p", place)
			run(t, dir, "cp", "a.debug", place)
			check(t, dir, "/opt/a", filepath.Join(dir, "root"), addr, want)
			run(t, dir, "rm", place+"/a.debug")
		}
		// A file of another build must not be believed.
		write(t, dir, "root/opt/a.debug", "")
		none := []Frame{{Module: filepath.Join(dir, "a"), Address: addr}}
		check(t, dir, "/opt/a", filepath.Join(dir, "root"), addr, none)
	})
}
