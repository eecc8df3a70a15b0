package main

import (
	"cmp"
	"net"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/tracer"
)

// exportOptions is what the flags of export say.
type exportOptions struct {
	listen    string
	webConfig string // "": neither TLS nor passwords
	config    string // "": the defaults
	node      string
	filter    node.Filter // lists that are not empty replace those of the file
}

func exportCommand(e env) *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "watch every process of this machine, always, and serve what leaks as metrics",
		Description: "Serves /metrics for Prometheus, /debug/leaks (a report) and /debug/pprof/leaks (a profile),\n" +
			"/healthz and /readyz. SIGHUP reads the configuration again, SIGTERM and SIGINT end it.\n\n" +
			"Exit status: 0, 1 on failure, 2 on wrong usage.",
		OnUsageError: onUsageError,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:9435", Usage: "serve at `ADDRESS`, and nowhere else"},
			&cli.StringFlag{Name: "web.config.file", Usage: "TLS and passwords for all that is served, in `FILE` (of Prometheus' exporter-toolkit)"},
			&cli.StringFlag{Name: "config", Usage: "read the configuration in `FILE`; deploy/leaktrace.yml is an example"},
			&cli.StringSliceFlag{Name: "cgroup", Usage: "only cgroups whose whole path matches `GLOB` (* and ?); may be repeated"},
			&cli.StringSliceFlag{Name: "container", Usage: "only containers or systemd units called `NAME`; may be repeated"},
			&cli.StringSliceFlag{Name: "namespace", Usage: "only pods of the Kubernetes namespace `NAME`; may be repeated"},
			&cli.StringFlag{Name: "node", Usage: "the `NAME` of this machine", EnvVars: []string{"NODE_NAME"}, DefaultText: "the host name"},
		},
		Action: func(c *cli.Context) error {
			options, err := parseExport(c)
			if err != nil {
				return err
			}
			return exportNode(e, options, openTracer)
		},
	}
}

// parseExport checks the flags. Everything wrong with them is a usage error.
func parseExport(c *cli.Context) (exportOptions, error) {
	o := exportOptions{
		listen: c.String("listen"), webConfig: c.String("web.config.file"), config: c.String("config"),
		filter: node.Filter{
			Cgroups: c.StringSlice("cgroup"), Containers: c.StringSlice("container"), Namespaces: c.StringSlice("namespace"),
		},
	}
	if c.Args().Present() {
		return o, usageError("export takes no arguments; it found %q", c.Args().First())
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return o, usageError("--listen %q: expected HOST:PORT, such as 127.0.0.1:9435 or :9435", o.listen)
	}
	name, err := os.Hostname()
	o.node = cmp.Or(c.String("node"), name)
	if o.node == "" {
		return o, usageError("this machine has no name (%v); give --node NAME", err)
	}
	return o, nil
}

// settings reads the configuration file, which the flags win over.
func (o *exportOptions) settings() (node.Settings, error) {
	s, err := readConfig(o.config)
	for _, list := range []struct{ flag, file *[]string }{
		{&o.filter.Cgroups, &s.Filter.Cgroups},
		{&o.filter.Containers, &s.Filter.Containers},
		{&o.filter.Namespaces, &s.Filter.Namespaces},
	} {
		if len(*list.flag) > 0 {
			*list.file = *list.flag
		}
	}
	return s, err
}

// nodeTracer is a tracer of all processes.
type nodeTracer interface {
	node.Source
	TraceNode(admit func(cgroup string) bool) error
	Close() error
}

func openTracer() (nodeTracer, error) {
	t, err := tracer.New(tracer.Options{})
	if err != nil {
		return nil, err // and not a tracer that is nil and yet no nil
	}
	return t, nil
}
