#!/bin/bash
# Installs Debian packages that are missing: the ones named, or without
# arguments all that the tests need. Says nothing when nothing is to do.
set -euo pipefail

packages=("$@")
if [ ${#packages[@]} -eq 0 ]; then
	packages=(gcc g++ clang-19 libc6-dev binutils make musl-tools rustc util-linux procps iproute2 libxml2-utils
		fish groff-base man-db mandoc zsh python3 libcurl4-openssl-dev nginx-light default-jdk-headless
		containerd runc podman busybox-static tmux)
	# A newer compiler outside the package system does as well.
	command -v rustc >/dev/null && packages=("${packages[@]/rustc/}")
	command -v javac >/dev/null && packages=("${packages[@]/default-jdk-headless/}")
	# So does Docker's containerd, which Debian's would replace, and Docker with it.
	command -v containerd >/dev/null && packages=("${packages[@]/#containerd/}")
	command -v runc >/dev/null && packages=("${packages[@]/#runc/}")
fi

missing=()
for package in "${packages[@]}"; do
	[ -z "$package" ] && continue
	dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
# Servers come with a service, which nobody asked for: now, or when booting.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod +x "$policy"
	trap '$sudo rm -f "$policy"' EXIT
fi
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
for package in "${missing[@]}"; do
	case $package in
	containerd | nginx-light | redis-server)
		command -v systemctl >/dev/null && $sudo systemctl disable --quiet "${package%-light}" || true
		;;
	esac
done
