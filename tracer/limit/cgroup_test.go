package limit

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	v1Pids  = "36 31 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	v1Both  = "36 31 0:33 / /sys/fs/cgroup/cpu,pids rw - cgroup cgroup rw,cpu,pids\n"
	v1Other = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)

// group is the files of a cgroup that counts tasks.
func group(dir, used, limit string) tree {
	return tree{dir + "/pids.current": used + "\n", dir + "/pids.max": limit + "\n"}
}

func TestCgroups(t *testing.T) {
	nested := group("sys/fs/cgroup/kubepods", "300", "4000").
		with(group("sys/fs/cgroup/kubepods/pod12", "8", "max")).
		with(group("sys/fs/cgroup/kubepods/pod12/ab", "7", "64"))
	tests := map[string]struct {
		mounts, cgroup string
		files          tree
		want           []Limit
	}{
		"v2, inmost first, without max": {
			v2Only, "0::/kubepods/pod12/ab\n", nested,
			[]Limit{pids("/kubepods/pod12/ab", 7, 64), pids("/kubepods", 300, 4000)},
		},
		"v2 without the controller": {v2Only, "0::/a\n", tree{"sys/fs/cgroup/a/cgroup.procs": ""}, nil},
		"v1": {
			v1Other + v1Pids, "8:pids:/a/b\n4:memory:/c\n", group("sys/fs/cgroup/pids/a/b", "1", "2").
				with(group("sys/fs/cgroup/memory/c", "3", "4")).with(group("sys/fs/cgroup/memory/a/b", "5", "6")),
			[]Limit{pids("/a/b", 1, 2)},
		},
		"v1, controllers together": {
			v1Both, "8:cpu,pids:/a\n", group("sys/fs/cgroup/cpu,pids/a", "1", "2"), []Limit{pids("/a", 1, 2)},
		},
		"hybrid": {
			v1Pids + unified, "8:pids:/a\n0::/b\n", group("sys/fs/cgroup/pids/a", "1", "2").
				with(group("sys/fs/cgroup/unified/a", "3", "4")).with(group("sys/fs/cgroup/pids/b", "5", "6")),
			[]Limit{pids("/a", 1, 2)},
		},
		"hybrid, controller in v2": {
			v1Other + unified, "4:memory:/\n0::/b\n", group("sys/fs/cgroup/unified/b", "3", "4"), []Limit{pids("/b", 3, 4)},
		},
		"not mounted": {v1Other, "8:pids:/a\n0::/b\n", nested, nil},
		"the reader's namespace": {
			// The reader's own group is shown as the root, which then has limits.
			v2Only, "0::/\n", group("sys/fs/cgroup", "12", "100"), []Limit{pids("/", 12, 100)},
		},
		"beside the reader's namespace, not seen": {
			v2Only, "0::/../pod12/ab\n", group("sys/fs/cgroup/pod12/ab", "1", "2").with(group("sys/fs/pod12/ab", "1", "2")), nil,
		},
		"beside the reader's namespace, the host's tree mounted": {
			"30 20 0:28 /../.. /host/cgroup ro - cgroup2 cgroup rw\n", "0::/../../kubepods/pod12\n",
			group("host/cgroup/kubepods/pod12", "1", "2").with(group("host/cgroup", "5", "6")),
			[]Limit{pids("/../../kubepods/pod12", 1, 2), pids("/../..", 5, 6)},
		},
		"beside the reader's namespace, which is found": {
			gone, "0::/../pod12/ab\n", nested.with(tree{
				"proc/self":         "-> 77",
				"proc/77/mountinfo": strings.Replace(v2Only, " / ", " /../.. ", 1),
				"proc/77/cgroup":    "0::/\n",
				"sys/fs/cgroup/kubepods/leak/cgroup.procs": fmt.Sprintln(os.Getpid()),
			}),
			[]Limit{pids("/kubepods/pod12/ab", 7, 64), pids("/kubepods", 300, 4000)},
		},
		"a name between is not known": {
			"30 20 0:28 /../.. /host/cgroup ro - cgroup2 cgroup rw\n", "0::/../pod12\n", group("host/cgroup/pod12", "1", "2"), nil,
		},
		"a part of the tree mounted": {
			"30 20 0:28 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/ab/c\n",
			group("sys/fs/cgroup/c", "1", "2").with(group("sys/fs/cgroup", "3", "4")),
			[]Limit{pids("/docker/ab/c", 1, 2), pids("/docker/ab", 3, 4)},
		},
		"outside that part": {
			"30 20 0:28 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/abc\n", group("sys/fs/cgroup/c", "1", "2"), nil,
		},
		"as deep, beside that part": {
			"30 20 0:28 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/cd\n", group("sys/fs/cgroup", "3", "4"), nil,
		},
		"the mount that shows most": {
			"30 20 0:28 /kubepods /part ro - cgroup2 cgroup rw\n" + v2Only, "0::/kubepods\n",
			nested.with(group("part", "1", "2")), []Limit{pids("/kubepods", 300, 4000)},
		},
		"hostile names": {
			v2Only, "0::/a:b/\x1b[31m/\xff \\040\n", group("sys/fs/cgroup/a:b/\x1b[31m/\xff \\040", "1", "2"),
			[]Limit{pids("/a:b/\x1b[31m/\xff \\040", 1, 2)},
		},
		"escaped mount point": {
			`30 20 0:28 /a\134x2db /my\040cgroups\9 ro - cgroup2 cgroup rw` + "\n", "0::/a\\x2db\n", group(`my cgroups\9`, "1", "2"),
			[]Limit{pids(`/a\x2db`, 1, 2)},
		},
		"values of nonsense": {
			v2Only, "0::/a/b/c/d\n", group("sys/fs/cgroup/a", "1", "-1").with(group("sys/fs/cgroup/a/b", "x", "5")).
				with(group("sys/fs/cgroup/a/b/c", "1", "9223372036854775807")).with(tree{"sys/fs/cgroup/a/b/c/d/pids.max": "5\n"}), nil,
		},
		"nothing allowed":    {v2Only, "0::/a\n", group("sys/fs/cgroup/a", "1", "0"), []Limit{pids("/a", 1, 0)}},
		"garbled cgroup":     {v2Only, "0:/kubepods\n", nested, nil},
		"no cgroup file":     {v2Only, gone, nested, nil},
		"no mountinfo":       {gone, "0::/kubepods\n", nested, nil},
		"garbled mountinfo":  {"- cgroup2\n\n30 20 - cgroup2 cgroup rw\n30 20 0:28 / /sys/fs/cgroup\n", "0::/kubepods\n", nested, nil},
		"one line of it bad": {"30 - -\n" + v2Only, "0::/kubepods\n", nested, []Limit{pids("/kubepods", 300, 4000)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files := tree{
				"proc/12/status":      statusFile(0, 1, none),
				"proc/12/cgroup":      test.cgroup,
				"proc/self/mountinfo": test.mounts,
			}
			got := readFake(t, files.with(test.files).with(files))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
