package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// listPodman lists the containers in a containers.json of containers/storage, where
// podman and CRI-O have theirs. podman need not run for it, nor be asked: its socket
// would start a service.
func listPodman(_ context.Context, path string) ([]container, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var listed []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	if err := json.NewDecoder(io.LimitReader(f, answerSize)).Decode(&listed); err != nil {
		return nil, fmt.Errorf("read as JSON: %w", err)
	}
	var all []container
	for _, c := range listed {
		if len(c.Names) > 0 {
			all = append(all, named(c.ID, c.Names[0]))
		}
	}
	return all, nil
}
