#!/bin/bash
# boot.sh DIRECTORY WHERE COMMAND...: boots the guest of DIRECTORY in an emulated
# processor. It runs COMMAND, of which no word can have a space, in the directory
# WHERE of this repository. Prints what it says, and ends with its status.
set -euo pipefail
out=$1 where=$(realpath "$(dirname "$0")/../..")/$2
shift 2
timeout 2400 qemu-system-aarch64 -M virt -cpu max -accel tcg,thread=multi -smp 2 -m 1024 \
	-nographic -nodefaults -serial stdio -no-reboot -kernel "$out"/debian/boot/vmlinuz-* -initrd "$out/image" \
	-append "console=ttyAMA0 quiet panic=-1 tests: $where $*" </dev/null |
	sed -u 's/\r//' | tee "$out/said"
status=$(sed -n 's/^exit //p' "$out/said" | tail -1)
exit "${status:-1}"
