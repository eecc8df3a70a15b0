#!/bin/sh
# Copies the libbpf headers the programs need from Debian's libbpf-dev.
# They are vendored so that `make generate` gives the same objects everywhere.
set -eu
cd "$(dirname "$0")"
for header in bpf_helpers bpf_helper_defs bpf_tracing bpf_core_read bpf_endian; do
	cp "/usr/include/bpf/$header.h" .
done
dpkg-query -W -f '${Package} ${Version}\n' libbpf-dev >VERSION
