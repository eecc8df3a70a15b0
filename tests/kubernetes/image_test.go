package kubernetes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// loadImages gives containerd all images: there is no registry.
func (c *cluster) loadImages() error {
	pause := c.path("pause")
	if out, err := exec.Command("gcc", "-static", "-O2", "-o", pause, "testdata/pause.c").CombinedOutput(); err != nil {
		return fmt.Errorf("build pause: %w\n%s", err, out)
	}
	if err := errors.Join(
		c.makeImage("registry.k8s.io/pause:3.6", pause),
		c.makeImage("docker.io/library/shop:test", filepath.Join(c.build, "programs", "demo-static")),
	); err != nil {
		return err
	}
	_, err := c.ctr("images", "import", filepath.Join(c.build, "kubernetes", "leaktrace-image.tar"))
	return err
}

// makeImage makes an image of one static program, as docker save does, and loads it.
func (c *cluster) makeImage(reference, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	name := filepath.Base(program)
	if name == "demo-static" {
		name = "demo"
	}
	layer, err := archive(map[string][]byte{name: content})
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + name}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{reference}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	image, err := archive(map[string][]byte{"config.json": config, "manifest.json": manifest, "layer.tar": layer})
	if err != nil {
		return err
	}
	path := c.path(name + ".tar")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		return err
	}
	_, err = c.ctr("images", "import", path)
	return err
}

// archive is a tar file of programs.
func archive(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}
