package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
)

const (
	host  = "30 20 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
	up2   = "30 20 0:28 /../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
	up1   = "30 20 0:28 /.. /part ro - cgroup2 cgroup rw\n"
	own   = "30 20 0:28 / /own ro - cgroup2 cgroup rw\n"
	pids2 = "36 31 0:33 /../.. /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	named = "37 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	v2Sub = "41 31 0:38 /.. /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)

// machine is a file system where this process is in some directories of cgroups, and
// others in others.
func machine(t *testing.T, mounts, cgroup string, mine, others []string) (root string) {
	t.Helper()
	root = t.TempDir()
	files := map[string]string{"proc/7/mountinfo": mounts, "proc/7/cgroup": cgroup}
	for _, dir := range others {
		files[filepath.Join(dir, "cgroup.procs")] = fmt.Sprintf("1\n0\n%d0\n", os.Getpid())
	}
	for _, dir := range mine {
		files[filepath.Join(dir, "cgroup.procs")] = fmt.Sprintf("1\n%d\n", os.Getpid())
	}
	for path, text := range files {
		file := filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("7", filepath.Join(root, "proc/self")); err != nil {
		t.Fatal(err)
	}
	return root
}

func v2(path string) procfs.Cgroup { return procfs.Cgroup{Path: path} }

func v1(id int, controller, path string) procfs.Cgroup {
	return procfs.Cgroup{HierarchyID: id, Controllers: []string{controller}, Path: path}
}

func TestView(t *testing.T) {
	const pod, other = "sys/fs/cgroup/kubepods/pod1/ab", "sys/fs/cgroup/kubepods/pod2"
	at := func(point string, top []string, below ...string) *Place { return &Place{point, top, below} }
	var top []string
	tests := map[string]struct {
		mounts, cgroup string
		mine, others   []string
		group          procfs.Cgroup
		path           string
		place          *Place
	}{
		"the host's namespace": {
			host, "0::/a\n", nil, nil, v2("/kubepods/pod2"), "/kubepods/pod2", at("/sys/fs/cgroup", top, "kubepods", "pod2"),
		},
		"beside": {
			up2, "0::/\n", []string{"sys/fs/cgroup/kubepods/pod1"}, []string{other, pod},
			v2("/../pod2/cd"), "/kubepods/pod2/cd", at("/sys/fs/cgroup", top, "kubepods", "pod2", "cd"),
		},
		"further up": {
			up2, "0::/\n", []string{"sys/fs/cgroup/kubepods/pod1"}, []string{other},
			v2("/../../x"), "/x", at("/sys/fs/cgroup", top, "x"),
		},
		"the reader": {
			up2, "0::/\n", []string{"sys/fs/cgroup/kubepods/pod1"}, nil,
			v2("/"), "/kubepods/pod1", at("/sys/fs/cgroup", top, "kubepods", "pod1"),
		},
		"the top": {
			up2, "0::/\n", []string{"sys/fs/cgroup/kubepods/pod1"}, nil, v2("/../.."), "/", at("/sys/fs/cgroup", top),
		},
		"the reader is below its namespace": {
			up2, "0::/ab\n", []string{pod}, []string{"sys/fs/cgroup/kubepods/pod1", other + "/ab"},
			v2("/../x"), "/kubepods/x", at("/sys/fs/cgroup", top, "kubepods", "x"),
		},
		"the mount that shows most": {
			own + up1 + up2, "0::/\n", []string{"sys/fs/cgroup/kubepods/pod1", "part/pod1"}, nil,
			v2("/../pod2"), "/kubepods/pod2", at("/sys/fs/cgroup", top, "kubepods", "pod2"),
		},
		"outside of what is mounted": {
			up2, "0::/\n", []string{"sys/fs/cgroup/kubepods/pod1"}, nil, v2("/../../../x"), "/x", nil,
		},
		"the reader has left its namespace": {
			up2, "0::/../pod2\n", []string{other}, nil, v2("/../x"), "/x", nil,
		},
		"the reader is nowhere": {
			up2, "0::/\n", nil, []string{"sys/fs/cgroup/kubepods/pod1", other}, v2("/../pod2"), "/pod2", nil,
		},
		"nothing above is mounted": {own, "0::/\n", []string{"own"}, nil, v2("/../../pod2"), "/pod2", nil},
		"one hierarchy of many": {
			pids2 + named + v2Sub, "9:name=systemd:/\n8:pids:/\n0::/\n",
			[]string{"sys/fs/cgroup/pids/a/b", "sys/fs/cgroup/unified/c", "sys/fs/cgroup/systemd"}, nil,
			v1(8, "pids", "/../x"), "/a/x", at("/sys/fs/cgroup/pids", top, "a", "x"),
		},
		"another": {
			pids2 + named + v2Sub, "9:name=systemd:/\n8:pids:/\n0::/\n",
			[]string{"sys/fs/cgroup/pids/a/b", "sys/fs/cgroup/unified/c", "sys/fs/cgroup/systemd"}, nil,
			v1(9, "name=systemd", "/x"), "/x", at("/sys/fs/cgroup/systemd", top, "x"),
		},
		"the v2 one": {
			pids2 + named + v2Sub, "9:name=systemd:/\n8:pids:/\n0::/\n",
			[]string{"sys/fs/cgroup/pids/a/b", "sys/fs/cgroup/unified/c", "sys/fs/cgroup/systemd"}, nil,
			v2("/"), "/c", at("/sys/fs/cgroup/unified", top, "c"),
		},
		"no line of one's own": {up2, "", []string{"sys/fs/cgroup/kubepods/pod1"}, nil, v2("/../x"), "/x", nil},
		"garbled lines":        {"30 - -\n" + up2, "0:/\n", []string{"sys/fs/cgroup/kubepods/pod1"}, nil, v2("/../x"), "/x", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := Look(machine(t, test.mounts, test.cgroup, test.mine, test.others))
			if path := v.Of([]procfs.Cgroup{test.group}); path != test.path {
				t.Errorf("path is %s, want %s", path, test.path)
			}
			var found *Place
			if place, ok := v.Place(test.group); ok {
				found = &place
			}
			if diff := cmp.Diff(test.place, found, emptyIsNil); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var emptyIsNil = cmp.Transformer("names", func(names []string) string { return filepath.Join(names...) })

// Of all hierarchies one path stands for a process.
func TestOf(t *testing.T) {
	tests := map[string]struct {
		groups []procfs.Cgroup
		want   string
	}{
		"none":            {nil, ""},
		"v2":              {[]procfs.Cgroup{v2("/a")}, "/a"},
		"both":            {[]procfs.Cgroup{v1(3, "cpu", "/longer"), v2("/a")}, "/a"},
		"nothing in v2":   {[]procfs.Cgroup{v1(3, "cpu", "/a"), v1(4, "pids", "/a/b"), v2("/")}, "/a/b"},
		"nothing at all":  {[]procfs.Cgroup{v1(3, "cpu", "/"), v2("/")}, "/"},
		"above, unknown":  {[]procfs.Cgroup{v2("/../..")}, "/"},
		"beside, unknown": {[]procfs.Cgroup{v1(3, "cpu", "/../../ab"), v2("/..")}, "/ab"},
		"names of dots":   {[]procfs.Cgroup{v2("/../..a/...")}, "/..a/..."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Look(t.TempDir()).Of(test.groups); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// However many cgroups users make, so many are looked at.
func TestDescendIsBounded(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"a/1", "a/2", "b/3", "b/4", "c/5"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a/1", "a/2", "b/3"}, descend(top, 2, 3)); diff != "" {
		t.Error(diff)
	}
}
