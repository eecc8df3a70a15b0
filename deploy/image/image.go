package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// source says what a binary was made of.
type source struct {
	version, revision string
	time              time.Time // of the commit; zero when the go command knew none
}

// readSource reads what the go command wrote into a binary.
func readSource(binary string) (source, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return source{}, fmt.Errorf("read what %s was built from: %w", binary, err)
	}
	s := source{version: info.Main.Version}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			s.revision = setting.Value
		case "vcs.time":
			s.time, err = time.Parse(time.RFC3339, setting.Value)
		}
	}
	return s, err
}

// makeImage wraps a static binary: one layer that holds nothing else. The same
// binary and source give the same bytes, whenever and wherever it is done.
func makeImage(binary []byte, arch string, from source) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return layerOf(binary)
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: from.time}, CreatedBy: "deploy/image"},
	})
	if err != nil {
		return nil, fmt.Errorf("add the layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("make the configuration: %w", err)
	}
	config = config.DeepCopy()
	configure(config, arch, from)
	return mutate.ConfigFile(image, config)
}

func configure(config *v1.ConfigFile, arch string, from source) {
	config.Architecture, config.OS = arch, "linux"
	config.Created = v1.Time{Time: from.time}
	// Capabilities are given where it is started, not here. Root keeps what it is
	// given at exec; another user's process would lose it.
	config.Config.User = "0:0"
	config.Config.Entrypoint = []string{"/leaktrace"}
	config.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    "leaktrace",
		"org.opencontainers.image.source":   "https://github.com/leaktrace/leaktrace",
		"org.opencontainers.image.version":  from.version,
		"org.opencontainers.image.revision": from.revision,
	}
}

// layerOf is the layer as a tar archive.
func layerOf(binary []byte) (io.ReadCloser, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "leaktrace", Mode: 0o755, Size: int64(len(binary)), ModTime: time.Unix(0, 0)}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return io.NopCloser(&archive), nil
}

// writeArchive writes one image as a file that docker load, podman load and ctr
// image import take.
func writeArchive(file, reference string, image v1.Image) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	if err := tarball.WriteToFile(file, tag, image); err != nil {
		return fmt.Errorf("write the image to %s: %w", file, err)
	}
	return nil
}

// writeLayout writes images of several architectures as a directory that skopeo
// and crane push: one index for all of them.
func writeLayout(dir, reference string, images map[string]v1.Image) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range architectures() {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: images[arch],
			Descriptor: v1.Descriptor{
				Platform: &v1.Platform{OS: "linux", Architecture: arch},
			},
		})
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the old images: %w", err)
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the images to %s: %w", dir, err)
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag.TagStr()})
	if err := path.AppendIndex(index, named); err != nil {
		return fmt.Errorf("write the images to %s: %w", dir, err)
	}
	return nil
}
