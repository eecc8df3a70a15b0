#!/bin/bash
# boot.sh DIRECTORY WHERE COMMAND: boots the guest of DIRECTORY in an emulated
# processor, which runs COMMAND in the directory WHERE, prints what it says, and
# ends with its status.
set -euo pipefail
kernel=$(echo "$1"/debian/boot/vmlinuz-*)
timeout "${TIMEOUT:-900}" qemu-system-aarch64 -M virt -cpu max -accel tcg,thread=multi -smp 2 -m 1024 \
	-nographic -nodefaults -serial stdio -no-reboot -kernel "$kernel" -initrd "$1/image" \
	-append "console=ttyAMA0 quiet panic=-1 tests: $2 $3" </dev/null |
	tr -d '\r' | tee "$1/said"
status=$(sed -n 's/^exit //p' "$1/said" | tail -1)
exit "${status:-1}"
