// Package workload tells who owns a cgroup: the container, pod and namespace, or
// the systemd unit.
//
// What a cgroup's path says (Parse) needs no help. Names come from those that are
// there: the Kubernetes API server, the CRI socket of the node's runtime, Docker's
// Engine API, and the store of podman. None is needed, and none is waited for.
//
// Names are as their givers wrote them, but valid UTF-8 and of bounded length:
// whoever shows them escapes them.
package workload
