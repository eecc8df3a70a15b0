// Package tracer keeps the ledger of resources a process creates and gives
// back. It loads the BPF programs of bpf/, prepares their unwind tables, and
// reads the ledger back as snapshots. It is the only package that talks to the
// kernel's BPF system call.
package tracer
