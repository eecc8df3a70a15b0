package workload

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const (
	a    = "0f3d21a6a1b3f8c7d9e0b5a4c6d7e8f90123456789abcdef0123456789abcdef"
	b    = "7c1e5b2d3f4a69788796a5b4c3d2e1f00123456789abcdef0123456789abcdef"
	uid  = "8e5f3c1a-90ab-4cde-8f01-23456789abcd"
	uid_ = "8e5f3c1a_90ab_4cde_8f01_23456789abcd"
	file = "c4e9c36b31c46e0c1b6b4d7e3f2a1908" // the UID of a pod from a file
)

func TestParse(t *testing.T) {
	pod := func(runtime string) ID { return ID{Container: a, PodUID: uid, Runtime: runtime} }
	manager := "user@1000.service"
	for _, test := range []struct {
		name, cgroup string
		want         ID
	}{
		{"root", "/", ID{}},
		{"nothing", "", ID{}},
		{"above the namespace", "/..", ID{}},

		{"kubelet, cgroupfs", "/kubepods/burstable/pod" + uid + "/" + a, pod("")},
		{"kubelet, cgroupfs, guaranteed", "/kubepods/pod" + uid + "/" + a, pod("")},
		{"containerd, systemd", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid_ + ".slice/cri-containerd-" + a + ".scope", pod("containerd")},
		{"containerd, systemd, guaranteed", "/kubepods.slice/kubepods-pod" + uid_ + ".slice/cri-containerd-" + a + ".scope", pod("containerd")},
		{"containerd, systemd's names without systemd", "/system.slice/containerd.service/kubepods-besteffort-pod" + uid_ + ".slice:cri-containerd:" + a, pod("containerd")},
		{"cri-o, systemd", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid_ + ".slice/crio-" + a + ".scope", pod("cri-o")},
		{"cri-o, sub-cgroup", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid_ + ".slice/crio-" + a + ".scope/container", pod("cri-o")},
		{"cri-o, cgroupfs", "/kubepods/besteffort/pod" + uid + "/crio-" + a, pod("cri-o")},
		{"cri-o's conmon", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid_ + ".slice/crio-conmon-" + a + ".scope", ID{PodUID: uid}},
		{"cri-dockerd, systemd", "/kubepods.slice/kubepods-pod" + uid_ + ".slice/docker-" + a + ".scope", pod("docker")},
		{"static pod, cgroupfs", "/kubepods/burstable/pod" + file + "/" + a, ID{Container: a, PodUID: file}},
		{"static pod, systemd", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + file + ".slice/cri-containerd-" + a + ".scope", ID{Container: a, PodUID: file, Runtime: "containerd"}},
		{"pod without a container", "/kubepods/burstable/pod" + uid, ID{PodUID: uid}},
		{"cgroup root of the kubelet", "/custom/kubepods/burstable/pod" + uid + "/" + a, pod("")},
		{"sibling, from a pod's namespace", "/../../pod" + uid + "/" + a, pod("")},
		{"sibling, from a container's namespace", "/../" + a, ID{Container: a}},
		{"kata", "/kubepods/pod" + uid + "/kata_" + a, pod("")},
		{"removed", "/kubepods/pod" + uid + "/" + a + " (deleted)", pod("")},

		{"docker, cgroupfs", "/docker/" + a, ID{Container: a, Runtime: "docker"}},
		{"docker, systemd", "/system.slice/docker-" + a + ".scope", ID{Container: a, Runtime: "docker"}},
		{"docker, own parent", "/batch/" + a, ID{Container: a}},
		{"docker, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + a + ".scope", ID{Container: a, Unit: manager, Runtime: "docker"}},
		{"podman, systemd", "/machine.slice/libpod-" + a + ".scope/container", ID{Container: a, Runtime: "podman"}},
		{"podman, cgroupfs", "/libpod_parent/libpod-" + a, ID{Container: a, Runtime: "podman"}},
		{"podman, pod, cgroupfs", "/libpod_parent/" + b + "/libpod-" + a, ID{Container: a, Runtime: "podman"}},
		{"podman, pod, systemd", "/machine.slice/machine-libpod_pod_" + b + ".slice/libpod-" + a + ".scope", ID{Container: a, Runtime: "podman"}},
		{"podman, quadlet", "/system.slice/web.service/libpod-payload-" + a, ID{Container: a, Runtime: "podman"}},
		{"podman, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + a + ".scope/container", ID{Container: a, Unit: manager, Runtime: "podman"}},
		{"podman, rootless, v1", "/user.slice/user-1000.slice/user@1000.service/user.slice/podman-77.scope", ID{Unit: "podman-*.scope"}},
		{"podman's conmon", "/machine.slice/libpod-conmon-" + a + ".scope", ID{Unit: "libpod-conmon-*.scope"}},
		{"podman's conmon, cgroupfs", "/libpod_parent/conmon", ID{Unit: "libpod_parent/conmon"}},
		{"podman's health check", "/system.slice/" + a + ".service", ID{Unit: a + ".service"}},
		{"nerdctl", "/system.slice/nerdctl-" + a + ".scope", ID{Container: a, Runtime: "containerd"}},
		{"containerd's own client", "/default/" + a, ID{Container: a}},
		{"containerd's own client, by name", "/default/web", ID{Unit: "default/web"}},
		{"lxc", "/lxc.payload.web/system.slice/nginx.service", ID{Container: "web", Runtime: "lxc"}},
		{"lxc, v1", "/lxc/web/nginx", ID{Container: "web", Runtime: "lxc"}},
		{"lxc's monitor", "/lxc.monitor.web", ID{Unit: "lxc.monitor.web"}},
		{"ecs", "/ecs/" + file + "/" + a, ID{Container: a}},
		{"ecs, systemd", "/ecstasks.slice/ecstasks-" + file + ".slice/docker-" + a + ".scope", ID{Container: a, Runtime: "docker"}},
		{"fargate", "/ecs/" + file + "/" + file + "-2532079234", ID{Container: file + "-2532079234", Runtime: "ecs"}},

		{"systemd in a container", "/kubepods.slice/kubepods-pod" + uid_ + ".slice/cri-containerd-" + a + ".scope/system.slice/x.service", pod("containerd")},
		{"docker in a pod", "/kubepods/burstable/pod" + uid + "/" + a + "/docker/" + b, pod("")},
		{"kind, from its host", "/docker/" + a + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uid_ + ".slice/cri-containerd-" + b + ".scope", ID{Container: a, Runtime: "docker"}},
		{"kind, from its node", "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + uid_ + ".slice/cri-containerd-" + a + ".scope", pod("containerd")},
		{"a user who plays kubelet", "/user.slice/user-1000.slice/user@1000.service/kubepods/pod" + uid + "/" + a, ID{Container: a, Unit: manager}},

		{"service", "/system.slice/nginx.service", ID{Unit: "nginx.service"}},
		{"service of a template", "/system.slice/system-getty.slice/getty@tty1.service", ID{Unit: "getty@tty1.service"}},
		{"service with an escaped name", `/system.slice/system-serial\x2dgetty.slice/serial-getty@ttyS0.service`, ID{Unit: "serial-getty@ttyS0.service"}},
		{"mount", `/system.slice/mnt-my\x2ddisk.mount`, ID{Unit: `mnt-my\x2ddisk.mount`}},
		{"socket", "/system.slice/ssh.socket", ID{Unit: "ssh.socket"}},
		{"service with cgroups of its own", "/system.slice/systemd-udevd.service/udev", ID{Unit: "systemd-udevd.service"}},
		{"service that plays another", "/system.slice/ci.service/nginx.service", ID{Unit: "ci.service"}},
		{"virtual machine", `/machine.slice/machine-qemu\x2d1\x2ddb.scope/libvirt/emulator`, ID{Unit: `machine-qemu\x2d1\x2ddb.scope`}},
		{"nspawn", "/machine.slice/systemd-nspawn@deb.service/payload/system.slice/x.service", ID{Unit: "systemd-nspawn@deb.service"}},
		{"escaped by systemd", "/system.slice/_cpu.service", ID{Unit: "cpu.service"}},
		{"init", "/init.scope", ID{Unit: "init.scope"}},
		{"slice", "/system.slice", ID{Unit: "system.slice"}},
		{"not a unit in a slice", "/system.slice/oddity", ID{Unit: "system.slice"}},
		{"session", "/user.slice/user-1000.slice/session-3.scope", ID{Unit: "user-1000.slice"}},
		{"session, v1's name=systemd", "/user.slice/user-0.slice/session-c2.scope", ID{Unit: "user-0.slice"}},
		{"session outside of a user's slice", "/system.slice/session-c2.scope", ID{Unit: "session-c2.scope"}},
		{"a user's service that is called so", "/user.slice/user-1000.slice/session-7.service", ID{Unit: "session-7.service"}},
		{"systemd-run", "/system.slice/run-u99.service", ID{Unit: "run-*.service"}},
		{"systemd-run, without a bus", "/system.slice/run-r" + file + ".service", ID{Unit: "run-*.service"}},
		{"systemd-run, 257", "/system.slice/run-p4711-i81.service", ID{Unit: "run-*.service"}},
		{"systemd-run --scope", "/system.slice/run-4711.scope", ID{Unit: "run-*.scope"}},
		{"systemd-run --scope, of a user", "/user.slice/user-1000.slice/user@1000.service/app.slice/run-r" + file + ".scope", ID{Unit: "run-*.scope"}},
		{"a service that is called so", "/system.slice/run-report.service", ID{Unit: "run-report.service"}},
		{"desktop, scope", `/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-org.mozilla.firefox\x2desr-1234.scope`, ID{Unit: `app-gnome-org.mozilla.firefox\x2desr-*.scope`}},
		{"desktop, service", "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.kde.konsole@8f00c1.service", ID{Unit: "app-org.kde.konsole@*.service"}},
		{"desktop, autostart", "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-tracker.service", ID{Unit: "app-gnome-tracker.service"}},
		{"terminal", "/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-" + uid + ".scope", ID{Unit: "vte-spawn-*.scope"}},
		{"snap", "/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox." + uid + ".scope", ID{Unit: "snap.firefox.firefox.*.scope"}},
		{"connection, IPv4", "/system.slice/system-sshd.slice/sshd@7-192.0.2.1:22-192.0.2.9:50312.service", ID{Unit: "sshd@*.service"}},
		{"connection, IPv6", "/system.slice/system-sshd.slice/sshd@7-2001:db8::1:22-fe80::2%3:50312.service", ID{Unit: "sshd@*.service"}},
		{"connection, AF_UNIX", "/system.slice/system-varlink.slice/varlink@12-4711-0.service", ID{Unit: "varlink@*.service"}},
		{"a template that counts", "/system.slice/system-worker.slice/worker@7.service", ID{Unit: "worker@7.service"}},
		{"a template with names", "/system.slice/system-openvpn.slice/openvpn@1-office.service", ID{Unit: "openvpn@1-office.service"}},
		{"user's manager", "/user.slice/user-1000.slice/user@1000.service/init.scope", ID{Unit: manager}},
		{"user's service", "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", ID{Unit: "sync.service"}},
		{"user's slice", "/user.slice/user-1000.slice/user@1000.service/app.slice", ID{Unit: manager}},
		{"neither systemd nor container", "/slurm/uid_1000/job_12/step_0", ID{Unit: "slurm/uid_1000/job_12/step_0"}},
		{"openrc", "/openrc.nginx", ID{Unit: "openrc.nginx"}},
		{"kubelet's own", "/kubepods/besteffort", ID{Unit: "kubepods/besteffort"}},

		{"not hexadecimal", "/docker/" + strings.ToUpper(a), ID{Unit: "docker/" + strings.ToUpper(a)}},
		{"too long for an id", "/docker/" + a + "0", ID{Unit: "docker/" + a + "0"}},
		{"not UTF-8", "/\xff\xfe/x", ID{Unit: "?/x"}},
		{"long", "/" + strings.Repeat("x", 300), ID{Unit: strings.Repeat("x", 255)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Parse(test.cgroup)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.cgroup, diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/kubepods.slice/kubepods-pod" + uid_ + ".slice/cri-containerd-" + a + ".scope")
	f.Add("/system.slice/containerd.service/kubepods-pod" + uid_ + ".slice:cri-containerd:" + a)
	f.Add("/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service (deleted)")
	f.Add("/../lxc.payload.\xff/_cpu.service")
	f.Fuzz(func(t *testing.T, cgroup string) {
		id := Parse(cgroup)
		for _, field := range []string{id.Container, id.PodUID, id.Unit, id.Runtime} {
			if !utf8.ValidString(field) || len(field) > longestName {
				t.Errorf("%q gives %q", cgroup, field)
			}
		}
		if id.Container != "" && id.Runtime != "lxc" && len(id.Container) < 12 {
			t.Errorf("%q gives container %q, which has no short id", cgroup, id.Container)
		}
	})
}
