#!/bin/bash
# fetch.sh DIRECTORY SERIES...: downloads the newest Debian cloud kernel of each
# series (6.1, 6.12, 7 ...) as DIRECTORY/SERIES, beside SERIES.version. Debian keeps only
# the newest of a series, so the version is found out each time. Package lists
# are in DIRECTORY too: those of this machine stay as they are.
set -euo pipefail
mkdir -p "$1"
cd "$1"
shift

mkdir -p apt/lists/partial apt/cache/archives/partial
cat >apt/apt.conf <<-END
	Dir::State::lists "$PWD/apt/lists";
	Dir::Cache "$PWD/apt/cache";
	Dir::Etc::sourcelist "$PWD/apt/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	APT::Architecture "amd64";
	APT::Architectures { "amd64"; };
	APT::Sandbox::User "root";
END
origin='deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org'
cat >apt/sources.list <<-END
	$origin/debian-security bullseye-security main
	$origin/debian-security bookworm-security main
	$origin/debian-security trixie-security main
	$origin/debian trixie-backports main
END
export APT_CONFIG=$PWD/apt/apt.conf
apt-get update -qq

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
