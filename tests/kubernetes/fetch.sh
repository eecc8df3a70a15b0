#!/bin/bash
# fetch.sh DIRECTORY: downloads etcd and kubectl from Debian as DIRECTORY/etcd and
# DIRECTORY/kubectl, in versions that go with the Kubernetes that is built here.
# Package lists are in DIRECTORY too: those of this machine stay as they are.
set -euo pipefail
. "$(dirname "$0")/../apt.sh"
mkdir -p "$1"
cd "$1"
[ -x etcd ] && [ -x kubectl ] && exit

apt_of "$(dpkg --print-architecture)" "debian trixie" "debian forky"

# get PROGRAM PACKAGE SUITE
get() {
	apt-get download -qq "$2/$3"
	dpkg-deb --fsys-tarfile "$2"_*.deb | tar -x --to-stdout "./usr/bin/$1" >"$1.part"
	rm "$2"_*.deb
	chmod +x "$1.part"
	mv "$1.part" "$1"
}
get etcd etcd-server trixie
get kubectl kubectl forky
