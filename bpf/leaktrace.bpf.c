/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leaktrace.bpf.c: all programs in one object, since they share one ledger.
 * A resource is one header here: its verbs, then its hooks.
 */
#include "vmlinux.h"
#include <bpf_helpers.h>
#include <bpf_core_read.h>
#include <bpf_tracing.h>

#include "kernel.bpf.h"
#include "ledger.h"
#include "unwind.h"
#include "tenant.bpf.h"
#include "ledger.bpf.h"
#include "twin.bpf.h"
#include "table.bpf.h"
#include "window.bpf.h"
#include "arch.bpf.h"
#include "unwind.bpf.h"
#include "stack.bpf.h"
#include "task.bpf.h"
#include "socket.bpf.h"
#include "queue.bpf.h"
#include "snapshot.bpf.h"
#include "parked.bpf.h"

/* No map names these types; this keeps them in BTF, from which Go's are made. */
const struct leak_event *event_type __attribute__((unused));
const struct leak_rescue *rescue_type __attribute__((unused));
const struct leak_parked *parked_type __attribute__((unused));
const struct leak_task_record *task_record_type __attribute__((unused));
const enum leak_deed *deed_type __attribute__((unused));
const enum leak_budget *budget_type __attribute__((unused));
const struct leak_process_record *process_record_type __attribute__((unused));
const struct leak_sock_record *sock_record_type __attribute__((unused));

/* GPL-compatible: several helpers ask for it. */
char LICENSE[] SEC("license") = "GPL";
