package tracer

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target amd64,arm64 -type leak_birth -type leak_proc -type leak_task_record -type leak_sock_record -type leak_process_record -type leak_activity -type leak_deed -type leak_sock_role -type leak_tcb -type leak_tcb_key -type leak_site -type leak_event -type leak_rescue -type leak_regs -type leak_parked -type leak_event_type -type leak_counter -type leak_kind -type leak_space -type leak_mapping -type leak_row -type leak_stack ledger ../bpf/leaktrace.bpf.c -- -I.. -I../bpf/headers -O2 -g -Wall -Werror -mcpu=v3
