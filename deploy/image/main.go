// Command image builds leaktrace as container images, without a Dockerfile, a
// base image or a container runtime: the static binary of each architecture is
// all that an image holds. From one commit it makes the same digests every time.
//
// It is run by make image, in the root of the repository.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// architectures are those that the BPF programs are compiled for.
func architectures() []string { return []string{"amd64", "arm64"} }

func main() {
	out := flag.String("out", "build", "`directory` to write to")
	reference := flag.String("ref", "leaktrace:dev", "`name:tag` of the image")
	flag.Parse()
	if err := run(*out, *reference); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// run writes OUT/leaktrace-ARCH, the image of this architecture as
// OUT/leaktrace-image.tar, and those of all as OUT/leaktrace-image.
func run(out, reference string) error {
	images := map[string]v1.Image{}
	for _, arch := range architectures() {
		image, err := buildImage(filepath.Join(out, "leaktrace-"+arch), arch)
		if err != nil {
			return err
		}
		images[arch] = image
		digest, err := image.Digest()
		if err != nil {
			return fmt.Errorf("digest of the image of %s: %w", arch, err)
		}
		fmt.Printf("%s linux/%s %s\n", reference, arch, digest)
	}
	host, ok := images[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("leaktrace does not run on %s; build on amd64 or arm64", runtime.GOARCH)
	}
	if err := writeArchive(filepath.Join(out, "leaktrace-image.tar"), reference, host); err != nil {
		return err
	}
	return writeLayout(filepath.Join(out, "leaktrace-image"), reference, images)
}

func buildImage(binary, arch string) (v1.Image, error) {
	if err := buildBinary(binary, arch); err != nil {
		return nil, err
	}
	from, err := readSource(binary)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read the binary: %w", err)
	}
	return makeImage(content, arch, from)
}

// buildBinary builds a static leaktrace whose bytes depend on the commit and the
// Go version only. The commit is written into it by the go command.
func buildBinary(binary, arch string) error {
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", binary, "./cmd/leaktrace")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build for %s: %w\n%s", arch, err, output)
	}
	return nil
}
