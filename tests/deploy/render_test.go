package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// object is one Kubernetes object.
type object = map[string]any

// kustomized renders deploy/ with components of deploy/kubernetes, as YAML.
func kustomized(t *testing.T, components ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../../deploy")
	must(t, err)
	relative, err := filepath.Rel(dir, root)
	must(t, err)
	overlay := object{
		"apiVersion": "kustomize.config.k8s.io/v1beta1",
		"kind":       "Kustomization",
		"resources":  []string{relative},
	}
	var paths []string
	for _, c := range components {
		paths = append(paths, filepath.Join(relative, "kubernetes", c))
	}
	if len(paths) > 0 {
		overlay["components"] = paths
	}
	text, err := yaml.Marshal(overlay)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o644))
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	must(t, err)
	out, err := rendered.AsYaml()
	must(t, err)
	return out
}

// charted renders deploy/chart with values in YAML, as helm install would.
func charted(t *testing.T, release, values string) []byte {
	t.Helper()
	chart, err := loader.LoadDir("../../deploy/chart")
	must(t, err)
	given, err := chartutil.ReadValues([]byte(values))
	must(t, err)
	options := chartutil.ReleaseOptions{Name: release, Namespace: "leaktrace", IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, given, options, chartutil.DefaultCapabilities)
	must(t, err)
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	must(t, err)
	var out bytes.Buffer
	for name, text := range files {
		if path.Ext(name) == ".yaml" {
			out.WriteString("---\n" + text + "\n")
		}
	}
	return out.Bytes()
}

// objectsOf parses a stream of YAML documents, by kind and name.
func objectsOf(t *testing.T, stream []byte) map[string]object {
	t.Helper()
	found := map[string]object{}
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096)
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		if len(o) == 0 {
			continue
		}
		name, ok := at(o, "metadata", "name").(string)
		key := o["kind"].(string) + " " + name
		if _, twice := found[key]; twice || !ok {
			t.Fatalf("%q is there twice, or has no name", key)
		}
		found[key] = o
	}
}

// at follows keys and indices down to a value; nil where there is none.
func at(value any, way ...any) any {
	for _, step := range way {
		switch step := step.(type) {
		case string:
			o, _ := value.(object)
			value = o[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// alike takes from objects what differs between the two ways by their nature:
// how a change of the configuration restarts pods, and who says it made them.
func alike(objects map[string]object) map[string]object {
	const config = "ConfigMap leaktrace"
	var hash string
	same := map[string]object{}
	for key, o := range objects {
		if o["kind"] == "Namespace" {
			continue // helm install --create-namespace
		}
		if rest, ok := strings.CutPrefix(key, config+"-"); ok && rest != "dashboard" {
			hash, key = "leaktrace-"+rest, config
			o["metadata"].(object)["name"] = "leaktrace"
		}
		same[key] = o
	}
	for _, o := range same {
		clean(o, hash)
	}
	return same
}

// clean removes the keys only Helm has, and hash from the names of objects.
func clean(value any, hash string) {
	switch value := value.(type) {
	case object:
		for _, key := range []string{"helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "checksum/config"} {
			delete(value, key)
		}
		for key, v := range value {
			clean(v, hash)
			if o, ok := v.(object); ok && len(o) == 0 && key == "annotations" {
				delete(value, key)
			}
			if hash != "" && v == hash {
				value[key] = "leaktrace"
			}
		}
	case []any:
		for _, v := range value {
			clean(v, hash)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
