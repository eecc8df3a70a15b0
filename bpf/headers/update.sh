#!/bin/sh
# Renews what the programs are compiled with: the libbpf headers of Debian's
# libbpf-dev, and vmlinux.h from the types of the running kernel. Both are
# committed, so that `make generate` gives the same objects everywhere.
set -eu
cd "$(dirname "$0")"
for header in bpf_helpers bpf_helper_defs bpf_tracing bpf_core_read; do
	# They include each other: these here, also where libbpf-dev is not installed.
	sed 's|#include <bpf/\(.*\)>|#include "\1"|' "/usr/include/bpf/$header.h" >"$header.h"
done
dpkg-query -W -f '${Package} ${Version}\n' libbpf-dev >VERSION
bpftool btf dump file /sys/kernel/btf/vmlinux format c >../../vmlinux.h
