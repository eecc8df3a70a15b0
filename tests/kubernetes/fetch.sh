#!/bin/bash
# fetch.sh DIRECTORY: downloads etcd and kubectl from Debian as DIRECTORY/etcd and
# DIRECTORY/kubectl, in versions that go with the Kubernetes that is built here.
# Package lists are in DIRECTORY too: those of this machine stay as they are.
set -euo pipefail
mkdir -p "$1"
cd "$1"
[ -x etcd ] && [ -x kubectl ] && exit

mkdir -p apt/lists/partial apt/cache/archives/partial
cat >apt/apt.conf <<-END
	Dir::State::lists "$PWD/apt/lists";
	Dir::State::status "$PWD/apt/status";
	Dir::Cache "$PWD/apt/cache";
	Dir::Etc::sourcelist "$PWD/apt/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	APT::Sandbox::User "root";
END
touch apt/status
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in trixie forky; do
	echo "deb [signed-by=$keyring] http://deb.debian.org/debian $suite main"
done >apt/sources.list
export APT_CONFIG=$PWD/apt/apt.conf
apt-get update -qq

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
