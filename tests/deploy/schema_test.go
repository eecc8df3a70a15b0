package deploy

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
)

// kubernetes is the release whose schemas manifests are held against.
const kubernetes = "v1.36.3"

func TestManifestsFitTheSchemas(t *testing.T) {
	check := newValidator(t)
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			for _, stream := range [][]byte{kustomized(t, way.components...), charted(t, "leaktrace", way.values)} {
				for _, complaint := range complaints(check, stream) {
					t.Error(complaint)
				}
			}
		})
	}
}

// What a schema without teeth would let pass.
func TestSchemasHaveTeeth(t *testing.T) {
	check := newValidator(t)
	good := kustomized(t)
	for _, change := range [][2]string{
		{"hostPID: true", "hostPid: true"},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: sometimes"},
		{"clusterIP: None", "clusterIp: None"},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) || len(complaints(check, bad)) == 0 {
			t.Errorf("%q is not complained of", change[1])
		}
	}
}

func complaints(check validator.Validator, stream []byte) []string {
	var said []string
	valid := 0
	for _, result := range check.Validate("rendered", io.NopCloser(bytes.NewReader(stream))) {
		switch result.Status {
		case validator.Valid:
			valid++
		case validator.Empty, validator.Skipped:
		default:
			signature, _ := result.Resource.Signature()
			said = append(said, signature.Kind+" "+signature.Name+": "+result.Err.Error())
		}
	}
	if valid == 0 {
		said = append(said, "nothing was validated")
	}
	return said
}

// newValidator makes schemas of what the API server says of itself, which is in
// the Go module of Kubernetes.
func newValidator(t *testing.T) validator.Validator {
	t.Helper()
	dir := t.TempDir()
	writeSchemas(t, dir)
	check, err := validator.New([]string{filepath.Join(dir, "{{.ResourceKind}}{{.KindSuffix}}.json")}, validator.Opts{
		Strict:    true,
		SkipKinds: map[string]struct{}{"ServiceMonitor": {}, "PrometheusRule": {}}, // TestOperatorsObjects
	})
	must(t, err)
	return check
}

func writeSchemas(t *testing.T, dir string) {
	t.Helper()
	download := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@"+kubernetes)
	output, err := download.Output()
	must(t, err)
	var module struct{ Dir string }
	must(t, json.Unmarshal(output, &module))
	text, err := os.ReadFile(filepath.Join(module.Dir, "api/openapi-spec/swagger.json"))
	must(t, err)
	var api struct {
		Definitions map[string]object `json:"definitions"`
	}
	must(t, json.Unmarshal(text, &api))
	for name, definition := range api.Definitions {
		tighten(name, definition)
	}
	for name, definition := range api.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 { // such as DeleteOptions, which are of every group
			continue
		}
		schema, err := json.Marshal(object{"$ref": "#/definitions/" + name, "definitions": reachable(api.Definitions, name)})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, schemaName(kinds[0].(object))), schema, 0o644))
	}
}

// schemaName is how kubeconform calls the file of a kind's schema.
func schemaName(kind object) string {
	group, _, _ := strings.Cut(kind["group"].(string), ".")
	parts := []string{kind["kind"].(string), group, kind["version"].(string)}
	if group == "" {
		parts = []string{parts[0], parts[2]}
	}
	return strings.ToLower(strings.Join(parts, "-")) + ".json"
}

// tighten forbids unknown fields, and says what swagger cannot: numbers or strings.
func tighten(name string, definition object) {
	if strings.HasSuffix(name, ".IntOrString") || strings.HasSuffix(name, ".Quantity") {
		definition["type"] = []string{"string", "number"}
		delete(definition, "format")
	}
	if _, ok := definition["properties"]; ok {
		definition["additionalProperties"] = false
	}
}

// reachable is a definition and those that it refers to.
func reachable(all map[string]object, name string) map[string]object {
	found := map[string]object{}
	var visit func(value any)
	visit = func(value any) {
		switch value := value.(type) {
		case object:
			if reference, ok := value["$ref"].(string); ok {
				name := strings.TrimPrefix(reference, "#/definitions/")
				if _, seen := found[name]; !seen {
					found[name] = all[name]
					visit(all[name])
				}
			}
			for _, v := range value {
				visit(v)
			}
		case []any:
			for _, v := range value {
				visit(v)
			}
		}
	}
	visit(object{"$ref": "#/definitions/" + name})
	return found
}
