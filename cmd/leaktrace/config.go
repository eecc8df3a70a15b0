package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// config is the configuration file of export, which deploy/leaktrace.yml documents.
type config struct {
	Interval     time.Duration       `yaml:"interval"`
	MinAge       time.Duration       `yaml:"min_age"`
	TopSites     int                 `yaml:"top_sites"`
	Filters      filters             `yaml:"filters"`
	Suppressions []suppressed        `yaml:"suppressions"`
	Limits       map[string]yamlText `yaml:"limits"`
}

type filters struct {
	Cgroups    []string `yaml:"cgroups"`
	Containers []string `yaml:"containers"`
	Namespaces []string `yaml:"namespaces"`
}

type suppressed struct {
	Kind     string `yaml:"kind"`
	Function string `yaml:"function"`
	Reason   string `yaml:"reason"`
}

// yamlText is a scalar as it is written.
type yamlText string

func (t *yamlText) UnmarshalYAML(n *yaml.Node) error {
	*t = yamlText(n.Value)
	return nil
}

// Bounds of the configuration.
const (
	maxConfig     = 1 << 20 // bytes
	leastInterval = time.Second
	mostInterval  = time.Minute // names of what has ended are kept for minutes
	leastMinAge   = time.Second
	mostMinAge    = 24 * time.Hour
	mostTopSites  = 1000
)

// readConfig reads a configuration file; without a name it has the defaults. The
// errors name file and line, and say what was expected.
func readConfig(path string) (node.Settings, error) {
	if path == "" {
		return node.DefaultSettings(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return node.Settings{}, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(raw) > maxConfig {
		err = fmt.Errorf("%s is larger than 1 MiB; is it a configuration file?", path)
	}
	if err != nil {
		return node.Settings{}, fmt.Errorf("read configuration: %w", err)
	}
	settings, err := parseConfig(raw)
	if err != nil {
		return node.Settings{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return settings, nil
}

func parseConfig(raw []byte) (node.Settings, error) {
	s := node.DefaultSettings()
	c := config{Interval: s.Interval, MinAge: s.MinAge, TopSites: s.TopSites}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) { // an empty file is fine
		return s, fmt.Errorf("%w (deploy/leaktrace.yml is an example)", yamlError(err))
	}
	if err := decoder.Decode(new(config)); !errors.Is(err, io.EOF) {
		return s, errors.New("more than one YAML document; expected one")
	}
	if err := c.check(); err != nil {
		return s, err
	}
	s.Interval, s.MinAge, s.TopSites = c.Interval, c.MinAge, c.TopSites
	s.Filter = node.Filter{Cgroups: c.Filters.Cgroups, Containers: c.Filters.Containers, Namespaces: c.Filters.Namespaces}
	var err error
	if s.Suppressions, err = c.suppressions(raw); err != nil {
		return s, err
	}
	s.Limits, err = c.limits()
	return s, err
}

// How the YAML library names what it decodes into: where it does not know a field, and
// where it did not find fields.
var (
	typeOfField = regexp.MustCompile(` in type \w+\.\w+`)
	typeOfMap   = regexp.MustCompile(`into (\w+\.(config|Config|HTTPConfig|TLSConfig|filters|suppressed)|map\[\S+)`)
)

// yamlError makes errors of the YAML library readable.
func yamlError(err error) error {
	const lines = `lines such as "name: value"`
	said, fromYAML := strings.CutPrefix(err.Error(), "yaml: ")
	said, typed := strings.CutPrefix(said, "unmarshal errors:\n  ")
	if fromYAML && !typed {
		return fmt.Errorf("%s; expected YAML: %s", said, lines)
	}
	said = typeOfMap.ReplaceAllString(typeOfField.ReplaceAllString(said, ""), "where "+lines+" were expected")
	said = strings.NewReplacer("\n  ", "; ", "into time.Duration", "where a time such as 10s was expected",
		"into []string", "where a list was expected", "into int", "where a whole number was expected").Replace(said)
	return errors.New(said)
}

func (c *config) check() error {
	switch {
	case c.Interval < leastInterval || c.Interval > mostInterval:
		return fmt.Errorf("interval %s: expected %s to %s", c.Interval, leastInterval, mostInterval)
	case c.MinAge < leastMinAge || c.MinAge > mostMinAge:
		return fmt.Errorf("min_age %s: expected %s to %s", c.MinAge, leastMinAge, mostMinAge)
	case c.TopSites < 0 || c.TopSites > mostTopSites:
		return fmt.Errorf("top_sites %d: expected 0 to %d", c.TopSites, mostTopSites)
	}
	return nil
}

// suppressions checks each, and notes its line.
func (c *config) suppressions(raw []byte) (list []export.Suppression, err error) {
	var lines struct{ Suppressions []yaml.Node }
	if err := yaml.Unmarshal(raw, &lines); err != nil {
		return nil, yamlError(err)
	}
	for i, s := range c.Suppressions {
		p := export.Suppression{Line: lines.Suppressions[i].Line, Kind: s.Kind, Function: s.Function, Reason: strings.TrimSpace(s.Reason)}
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("line %d: suppression: %w", p.Line, err)
		}
		list = append(list, p)
	}
	return list, nil
}

func (c *config) limits() (limit.Own, error) {
	var values []string
	for kind, n := range c.Limits {
		values = append(values, kind+"="+string(n))
	}
	own, err := limit.ParseOwn(values)
	if err != nil {
		return nil, fmt.Errorf("limits: %s", strings.TrimPrefix(err.Error(), "--limit "))
	}
	return own, nil
}
