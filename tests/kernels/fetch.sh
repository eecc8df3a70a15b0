#!/bin/bash
# fetch.sh DIRECTORY SERIES...: downloads the newest Debian cloud kernel of each
# series (6.1, 6.12, 7 ...) as DIRECTORY/SERIES, beside SERIES.version. Debian keeps only
# the newest of a series, so the version is found out each time. Package lists
# are in DIRECTORY too: those of this machine stay as they are.
set -euo pipefail
. "$(dirname "$0")/../apt.sh"
mkdir -p "$1"
cd "$1"
shift

apt_of amd64 "debian-security "{bullseye,bookworm,trixie}-security "debian trixie-backports"

for series; do
	# Newer ones have the kernel in linux-binary, of which linux-image is a shell.
	package=$(apt-cache search -n "^linux-(image|binary)-${series//./\\.}\.[^ ]*-cloud-amd64\$" |
		cut -d' ' -f1 | sort -t- -k3V -k2,2r | tail -1)
	[ -n "$package" ] || { echo "no package of a kernel $series" >&2; exit 1; }
	version=$(apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p')
	[ "$(cat "$series.version" 2>/dev/null)" = "$version" ] && continue
	apt-get download -qq "$package=$version"
	dpkg-deb --fsys-tarfile "$package"_*.deb |
		tar -x --to-stdout --wildcards './boot/vmlinuz-*' './usr/lib/modules/*/vmlinuz' >"$series" 2>/dev/null || true
	rm "$package"_*.deb
	[ -s "$series" ] || { echo "no kernel in $package" >&2; exit 1; }
	echo "$version" >"$series.version"
	echo "$series: $package $version"
done
