package symbol

import (
	"strings"
	"testing"
)

func TestLayer(t *testing.T) {
	for _, test := range []struct {
		frame Frame
		want  layer
	}{
		{Frame{Module: "/lib/x86_64-linux-gnu/libc.so.6", Function: "fork"}, libc},
		{Frame{Module: "/lib/libc-2.31.so"}, libc},
		{Frame{Module: "/lib/ld-musl-x86_64.so.1", Function: "fork"}, libc},
		{Frame{Module: "[vdso]"}, libc},
		{Frame{Module: "/opt/libmylib.so", Function: "go"}, application},
		{Frame{Module: "/opt/libcurl.so.4", Function: "Curl_connect"}, application},
		{Frame{Module: "/usr/lib/libstdc++.so.6", Function: "std::thread::_M_start_thread"}, languageRuntime},
		{Frame{Module: "/usr/lib/libpython3.11.so.1.0", Function: "PyEval_EvalFrame"}, languageRuntime},
		{Frame{Module: "/usr/bin/python3.11", Function: "_PyEval_EvalFrame"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "__libc_fork"}, libc},
		{Frame{Module: "/bin/app", Function: "pthread_create", File: "./nptl/pthread_create.c"}, libc},
		{Frame{Module: "/bin/app", Function: "connect_all"}, application},
		{Frame{Module: "/bin/app", Function: "read", File: "/home/me/app/read.c"}, application},
		{Frame{Module: "/bin/app"}, application},
		{Frame{Function: "LMyApp;::run"}, application},
		{Frame{}, anonymous},
		{Frame{Module: "/bin/app", Function: "std::thread::thread<void (&)()>"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "start", File: "/usr/include/c++/12/bits/x.h"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "<std::process::Command as app::Spawn>::spawn"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "<app::Job as core::ops::Drop>::drop", File: "/home/me/src/main.rs"}, application},
		{Frame{Module: "/bin/app", Function: "tokio::spawn", File: "/root/.cargo/registry/src/x/tokio/src/lib.rs"}, application},
		{Frame{Module: "/bin/app", Function: "os/exec.(*Cmd).Start", File: "/usr/local/go/src/os/exec/exec.go"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "os/exec.(*Cmd).Start", File: "/usr/lib/go-1.22/src/os/exec/exec.go"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "os/exec.(*Cmd).Start", File: "os/exec/exec.go"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "main.main", File: "example.com/app/main.go"}, application},
		{Frame{Module: "/bin/app", Function: "main.main", File: "/usr/local/go/src/main.go"}, application},
		{Frame{Module: "/bin/app", Function: "app/os.Run", File: "/home/me/src/app/os/run.go"}, application},
		{Frame{Module: "/bin/app", Function: "golang.org/x/net/http2.dial", File: "golang.org/x/net@v0.1.0/http2/x.go"}, application},
		{Frame{Module: "/bin/app", Function: "os.checkClonePidfd", File: "/usr/local/go/src/syscall/exec_linux.go"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "_cgo_try_pthread_create"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "os.checkClonePidfd", File: "syscall/exec_linux.go"}, languageRuntime},
		{Frame{Module: "/bin/app", Function: "mymodule/net.Dial", File: "mymodule/net/dial.go"}, application},
		{Frame{Module: "/bin/app", Function: "runtime.goexit", File: "/usr/local/go/src/runtime/asm_amd64.s"}, languageRuntime},
	} {
		if got := layerOf(test.frame); got != test.want {
			t.Errorf("%+v: got %d, want %d", test.frame, got, test.want)
		}
	}
}

func TestSite(t *testing.T) {
	inLibc, inCxx := Frame{Module: "/lib/libc.so.6"}, Frame{Module: "/lib/libstdc++.so.6"}
	app := Frame{Module: "/bin/app", Function: "main"}
	for _, test := range []struct {
		frames []Frame
		want   int
	}{
		{nil, -1},
		{[]Frame{inLibc, inCxx, app}, 2},
		{[]Frame{inLibc, {}, app}, 2},
		{[]Frame{inLibc, inCxx, {Function: "connect", File: "node:net", Line: 9}, inCxx}, 2},
		{[]Frame{inLibc, inCxx, {Function: "connect", File: "node:net", Line: 9}, {Function: "refresh", File: "/srv/a.js", Line: 1}}, 3},
		{[]Frame{inLibc, inCxx}, 1},
		{[]Frame{inLibc, {}}, 1},
		{[]Frame{inLibc, inLibc}, 0},
	} {
		if got := Site(test.frames); got != test.want {
			t.Errorf("%+v: got %d, want %d", test.frames, got, test.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	base := []Frame{{Module: "/lib/libc.so.6", Function: "fork"}, {Module: "/bin/app", Function: "a::run", Address: 1, File: "x.c", Line: 2}}
	moved := []Frame{{Module: "/lib/libc.so.7", Function: "vfork"}, {Module: "/app", Function: "a::run.isra.0", Address: 9}}
	hashed := []Frame{{Module: "/app", Function: "a::run::h0123456789abcdef"}}
	want := Fingerprint("zombie", base)
	if len(want) != 16 {
		t.Errorf("got %q", want)
	}
	for _, same := range [][]Frame{moved, hashed} {
		if got := Fingerprint("zombie", same); got != want {
			t.Errorf("%+v: got %s, want %s", same, got, want)
		}
	}
	if Fingerprint("thread", base) == want || Fingerprint("zombie", base[:1]) == want {
		t.Error("different sites have the same fingerprint")
	}
}

func TestReadable(t *testing.T) {
	for in, want := range map[string]string{
		"read@@GLIBC_2.2.5":                     "read",
		"work.constprop.0":                      "work",
		"work.part.0.cold":                      "work",
		"main.cold_start":                       "main.cold_start",
		"_ZN3app4PoolIiE5spawnEi":               "app::Pool<int>::spawn",
		"_ZN3app4PoolIiE5spawnEi.isra.0":        "app::Pool<int>::spawn",
		"_ZN4core3ptr4drop17h0123456789abcdefE": "core::ptr::drop",
		"_RNvCs1234_7mycrate3foo":               "mycrate::foo",
		"_Znot mangled":                         "_Znot mangled",
		strings.Repeat("x", 600):                strings.Repeat("x", 509) + "...",
	} {
		if got := readable(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
