package export

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// HTMLOptions fits the HTML page to its readers.
type HTMLOptions struct {
	// Source links frames to their source. The zero value links none.
	Source SourceURL
}

// The page is made of page/src by make generate. What the script reads is a payload.
var (
	//go:embed page/bundle/page.js
	pageScript string
	//go:embed page/bundle/page.css
	pageStyle string
	//go:embed page/page.html.tmpl
	pageSource string

	pageTemplate = template.Must(template.New("page").Parse(pageSource))
)

// HTMLPolicy is the Content-Security-Policy of the pages: nothing is loaded, and no
// script or style applies but their own.
func HTMLPolicy() string {
	return "default-src 'none'; script-src '" + hashOf(pageScript) + "'; style-src '" + hashOf(pageStyle) +
		"'; base-uri 'none'; form-action 'none'"
}

func hashOf(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page is what the template shows: the verdict as text, so that it can be read without
// a script, and all else as a payload. Its strings may come from the target: those of
// type string are escaped twice, by Escape here and for HTML by the template.
type page struct {
	Title    string
	Headline string
	Notes    []string
	Limit    string // which is reached first, and when
	Leaking  bool
	Titles   []string
	Rows     []pageRow
	More     string // what the table leaves out
	Footer   []string

	Policy  string
	Style   template.CSS
	Script  template.JS
	Payload template.HTML
}

// pageRow is a site: its function, its file and line, and what else is said of it.
type pageRow struct {
	Name, Location string
	Cells          []string
}

// write fills in the template.
func (p page) write(w io.Writer, payload any) error {
	packed, err := packPayload(payload)
	if err != nil {
		return err
	}
	p.Policy, p.Style, p.Script = HTMLPolicy(), template.CSS(pageStyle), template.JS(pageScript)
	p.Payload = template.HTML(packed)
	var out bytes.Buffer // the template would hide which error w had
	if err := pageTemplate.Execute(&out, p); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// packPayload makes a payload of letters and digits, +, / and = only.
func packPayload(payload any) (string, error) {
	var out strings.Builder
	letters := base64.NewEncoder(base64.StdEncoding, &out)
	z := gzip.NewWriter(letters)
	if err := json.NewEncoder(z).Encode(payload); err != nil {
		return "", fmt.Errorf("make the payload: %w", err)
	}
	if err := errors.Join(z.Close(), letters.Close()); err != nil {
		return "", err
	}
	return out.String(), nil
}

// maxShown bounds what is shown of one text of the target, in characters: there are
// names of 64 KiB.
const maxShown = 512

// shown is an escaped text, with its middle left out where it is too long.
func shown(escaped string) string {
	if len(escaped) <= maxShown {
		return escaped
	}
	runes := []rune(escaped)
	if len(runes) <= maxShown {
		return escaped
	}
	const half = maxShown / 2
	return fmt.Sprintf("%s… %s characters …%s", string(runes[:half]), humanCount(len(runes)-2*half), string(runes[len(runes)-half:]))
}

// lines are what write writes, with each sentence on one line, whatever its length.
func lines(r *Report, write func(text)) (all []string) {
	var out bytes.Buffer
	t := newText(&out, r, TextOptions{Width: 1 << 30})
	write(t)
	_ = t.Flush() // a buffer takes all
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, shown(line))
		}
	}
	return all
}
