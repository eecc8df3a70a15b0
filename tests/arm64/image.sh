#!/bin/bash
# image.sh DIRECTORY: makes DIRECTORY/image, the initial file system of a guest:
# Debian's arm64 libraries as fetch.sh left them in DIRECTORY, busybox, and this
# repository at its own path, with what is built of it. No disk, no network.
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")/../.."
GO=${GO:-go}

# The C programs of the tests that run there; of other languages there is Go.
programs=(bench children churn demo depth dlopen exec headless joins keepalive leaky-debugfile
	leaky-fp leaky-go leaky-o2 leaky-static leaky-stripped limits mapfile owners parked
	parked-go parked-static plugin.so pools sockets)

export GOARCH=arm64 CGO_ENABLED=0
$GO build -o "$out/leaktrace" ./cmd/leaktrace
$GO test -c -o "$out/tests.test" ./tests
$GO test -c -o "$out/tracer.test" ./tracer
$GO test -c -o "$out/goroutine.test" ./tracer/goroutine
for program in waits leaks; do
	$GO build -C tracer/goroutine/testdata/$program -o "$out/$program" .
	$GO build -C tracer/goroutine/testdata/$program -o "$out/$program-pie" -ldflags='-s -w' -buildmode=pie .
done
# As Debian builds for arm64: return addresses are signed.
make --no-print-directory -C tests/programs OUT="$out/programs" \
	CC=aarch64-linux-gnu-gcc STRIP=aarch64-linux-gnu-strip OBJCOPY=aarch64-linux-gnu-objcopy \
	CFLAGS="-g -O2 -mbranch-protection=standard" GO="$GO" "${programs[@]/#/$out/programs/}"

root=$out/_root # the go command does not look into it
repository=$root$PWD
rm -rf "$root"
mkdir -p "$root"/{dev,proc,sys,tmp,run,root,etc,usr/bin,usr/lib} "$repository"/build/leaktrace-test
ln -s usr/bin "$root/bin"
ln -s usr/lib "$root/lib"
cp -a "$out"/debian/usr/lib/{ld-linux-aarch64.so.1,aarch64-linux-gnu} "$root/usr/lib"
rm -rf "$root"/usr/lib/aarch64-linux-gnu/gconv
cp -a "$out"/debian/usr/bin/{busybox,dash} "$root/usr/bin"
ln -s dash "$root/usr/bin/sh"
cp tests/arm64/init "$root/init"
cp -a "$out/programs" "$repository/build"
cp "$out/leaktrace" "$repository/build/leaktrace-test"
cp "$out"/{tests,tracer,goroutine}.test "$out"/{waits,leaks}{,-pie} "$repository/build"
git ls-files tests tracer/goroutine | cpio --quiet -pd "$repository"
# All that the tests would build is there, but for what they build where they are.
echo '#!/bin/sh' >"$root/usr/bin/make"
cat >"$root/usr/bin/go" <<-END
	#!/bin/sh
	built=$PWD/build/\$(basename "\$PWD")
	case "\$*" in
	*-buildmode=pie*) cp "\$built-pie" "\$3" ;;
	*" .") cp "\$built" "\$3" ;;
	esac
END
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
chmod 755 "$root"/usr/bin/{make,go} "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$out/image.part"
mv "$out/image.part" "$out/image"
