package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// listDocker lists running containers by Docker's Engine API at the socket, which
// others speak too.
func listDocker(ctx context.Context, socket string) ([]container, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/json", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /containers/json: %s", response.Status)
	}
	var listed []struct {
		ID    string `json:"Id"`
		Names []string
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, answerSize)).Decode(&listed); err != nil {
		return nil, fmt.Errorf("read the answer to GET /containers/json: %w", err)
	}
	var all []container
	for _, c := range listed {
		for _, name := range c.Names {
			// /other/alias is what another container calls it.
			if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
				all = append(all, named(c.ID, name))
			}
		}
	}
	return all, nil
}
