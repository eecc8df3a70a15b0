#!/bin/bash
# fetch.sh DIRECTORY: unpacks what a guest is made of, as Debian has it for arm64
# now, in DIRECTORY/debian: the cloud kernel, the C library and busybox. Package
# lists are in DIRECTORY too: those of this machine stay as they are.
set -euo pipefail
. "$(dirname "$0")/../apt.sh"
mkdir -p "$1"
cd "$1"

mkdir -p apt/debs
apt_of arm64 "debian trixie" "debian-security trixie-security"

# linux-image-cloud-arm64 depends on the newest kernel; backtrace() needs libgcc-s1.
kernel=$(apt-cache depends linux-image-cloud-arm64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
packages=("$kernel" libc6 libgcc-s1 busybox-static dash)
versions=$(apt-cache show --no-all-versions "${packages[@]}" | grep -E '^(Package|Version):')
[ "$(cat versions 2>/dev/null)" = "$versions" ] && exit 0
rm -rf debian apt/debs/* versions
(cd apt/debs && apt-get download -qq "${packages[@]}")
for package in apt/debs/*.deb; do
	dpkg-deb -x "$package" debian
done
echo "$versions" >versions
