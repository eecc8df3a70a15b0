#!/bin/bash
# fetch.sh DIRECTORY: unpacks what a guest is made of, as Debian has it for arm64
# now, in DIRECTORY/debian: the cloud kernel, the C library and busybox. Package
# lists are in DIRECTORY too: those of this machine stay as they are.
set -euo pipefail
mkdir -p "$1"
cd "$1"

mkdir -p apt/lists/partial apt/cache/archives/partial apt/debs
touch apt/status
cat >apt/apt.conf <<-END
	Dir::State::lists "$PWD/apt/lists";
	Dir::State::status "$PWD/apt/status";
	Dir::Cache "$PWD/apt/cache";
	Dir::Etc::sourcelist "$PWD/apt/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	APT::Architecture "arm64";
	APT::Architectures { "arm64"; };
	APT::Sandbox::User "root";
END
origin='deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org'
cat >apt/sources.list <<-END
	$origin/debian trixie main
	$origin/debian-security trixie-security main
END
export APT_CONFIG=$PWD/apt/apt.conf
apt-get update -qq

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
