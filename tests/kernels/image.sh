#!/bin/bash
# image.sh DIRECTORY: makes DIRECTORY/image, the initial file system of a guest:
# the Debian packages that the tests use, as they are installed here, and this
# repository at its own path, with all that is built. No disk, no network.
set -euo pipefail
export LC_ALL=C
out=$(realpath "$1")
cd "$(dirname "$0")/../.."
GO=${GO:-go}

tools=(bash coreutils dash grep iproute2 libxml2-utils mount perl procps python3 sed util-linux
	libc6 libc-bin libcurl4-openssl-dev libstdc++6 ncurses-base nginx-light tmux)

CGO_ENABLED=0 $GO build -o "$out/pprof" cmd/pprof
CGO_ENABLED=0 $GO build -o build/leaktrace-test/leaktrace ./cmd/leaktrace
CGO_ENABLED=0 $GO test -c -o build/tests.test ./tests

# What is installed of the tools and of all they depend on.
packages() {
	local installed
	installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii  //p' | sort -u)
	apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances "${tools[@]}" | grep '^[a-z0-9]' | sort -u |
		comm -12 - <(echo "$installed")
}
# /bin and the like are links to /usr/bin, which must be there before its files.
files() {
	packages | xargs dpkg-query -L | sed -E 's#^/(bin|sbin|lib[0-9]*)/#/usr/\1/#' |
		grep -vE '^/usr/(share/(doc|man|info|locale|lintian|bug|gcc)|include|lib/debug)/|\.a$' |
		while read -r path; do if [ -f "$path" ]; then echo "$path"; fi; done
	printf '%s\n' /bin /sbin /lib /lib64 /usr/bin/sh /etc/passwd /etc/group /etc/hosts
	git ls-files | sed "s#^#$PWD/#"
	printf '%s\n' "$PWD"/build/{tests.test,leaktrace-test/leaktrace,programs/*,programs/incidents/*}
}
# with_parents adds the directories that lead to each path, before it.
with_parents() {
	awk '{ path = $0; while (sub("/[^/]*$", "", path) && path) print path; print }' | sort -u
}
# guest makes what only the guest has: its init, and of the go command pprof alone.
guest() {
	rm -rf "$out/root"
	mkdir -p "$out/root"/{dev,proc,sys,tmp,run,root,var/log/nginx,var/lib/nginx,usr/local/bin}
	cp tests/kernels/init "$out/root/init"
	cp "$out/pprof" "$out/root/usr/local/bin/pprof"
	printf '#!/bin/sh\n# go tool pprof\nshift\nexec "$@"\n' >"$out/root/usr/local/bin/go"
	chmod 755 "$out/root/init" "$out/root/usr/local/bin"/*
	chmod 1777 "$out/root/tmp"
}

guest
{
	files | with_parents | cpio --quiet -o -H newc
	cd "$out/root"
	find . | cpio --quiet -o -H newc -R 0:0
} >"$out/image.part"
mv "$out/image.part" "$out/image"
