package main

import (
	"archive/tar"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func testSource() source {
	return source{version: "v1.2.3", revision: "abc", time: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
}

func TestImageHoldsTheBinaryAlone(t *testing.T) {
	image := mustImage(t, "amd64")
	type file struct {
		Name    string
		Mode    int64
		Content string
	}
	var files []file
	reader := mutate.Extract(image)
	defer reader.Close()
	for archive := tar.NewReader(reader); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		content, err := io.ReadAll(archive)
		must(t, err)
		files = append(files, file{header.Name, header.Mode, string(content)})
	}
	if diff := cmp.Diff([]file{{"leaktrace", 0o755, "binary"}}, files); diff != "" {
		t.Error(diff)
	}
}

func TestImageConfig(t *testing.T) {
	config, err := mustImage(t, "arm64").ConfigFile()
	must(t, err)
	made := v1.Time{Time: testSource().time}
	want := &v1.ConfigFile{
		Architecture: "arm64",
		OS:           "linux",
		Created:      made,
		History:      []v1.History{{Created: made, CreatedBy: "deploy/image"}},
		RootFS:       config.RootFS, // the layer's hash: the other tests
		Config: v1.Config{
			User:       "0:0",
			Entrypoint: []string{"/leaktrace"},
			Labels: map[string]string{
				"org.opencontainers.image.title":    "leaktrace",
				"org.opencontainers.image.source":   "https://github.com/leaktrace/leaktrace",
				"org.opencontainers.image.version":  "v1.2.3",
				"org.opencontainers.image.revision": "abc",
			},
		},
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Error(diff)
	}
}

func TestImageIsReproducible(t *testing.T) {
	first, second, other := digest(t, mustImage(t, "amd64")), digest(t, mustImage(t, "amd64")), digest(t, mustImage(t, "arm64"))
	if first != second {
		t.Errorf("made twice, the digests are %v and %v", first, second)
	}
	if first == other {
		t.Errorf("the images of amd64 and arm64 have one digest, %v", first)
	}
}

func TestWrittenImagesReadBack(t *testing.T) {
	dir := t.TempDir()
	images := map[string]v1.Image{}
	want := map[string]v1.Hash{}
	for _, arch := range architectures() {
		images[arch] = mustImage(t, arch)
		want[arch] = digest(t, images[arch])
	}

	archive := filepath.Join(dir, "image.tar")
	must(t, writeArchive(archive, "leaktrace:dev", images["amd64"]))
	tag, err := name.NewTag("leaktrace:dev")
	must(t, err)
	loaded, err := tarball.ImageFromPath(archive, &tag)
	must(t, err)
	config, err := loaded.ConfigName()
	must(t, err)
	wantConfig, err := images["amd64"].ConfigName()
	must(t, err)
	if config != wantConfig {
		t.Errorf("the archive holds %v, want %v", config, wantConfig)
	}

	for range 2 { // the second replaces the first
		must(t, writeLayout(filepath.Join(dir, "layout"), "leaktrace:dev", images))
	}
	if diff := cmp.Diff(want, platforms(t, filepath.Join(dir, "layout"))); diff != "" {
		t.Error(diff)
	}
}

// platforms reads the digest of each architecture's image in a layout.
func platforms(t *testing.T, dir string) map[string]v1.Hash {
	root, err := layout.ImageIndexFromPath(dir)
	must(t, err)
	top, err := root.IndexManifest()
	must(t, err)
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "dev" {
		t.Fatalf("the layout names %+v, want one index named dev", top.Manifests)
	}
	index, err := root.ImageIndex(top.Manifests[0].Digest)
	must(t, err)
	manifest, err := index.IndexManifest()
	must(t, err)
	found := map[string]v1.Hash{}
	for _, m := range manifest.Manifests {
		found[m.Platform.Architecture] = m.Digest
	}
	return found
}

func mustImage(t *testing.T, arch string) v1.Image {
	t.Helper()
	image, err := makeImage([]byte("binary"), arch, testSource())
	must(t, err)
	return image
}

func digest(t *testing.T, image v1.Image) v1.Hash {
	t.Helper()
	d, err := image.Digest()
	must(t, err)
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
