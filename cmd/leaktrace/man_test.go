package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// The manual page has all there is in it, and neither groff nor mandoc complains.
func TestManual(t *testing.T) {
	all := commands(env{})
	page := manual(all, "v1.2.3", dated())
	for name, args := range map[string][]string{
		"groff":  {"-man", "-Tutf8", "-ww", "-b", "-rLL=78n"},
		"mandoc": {"-T", "lint", "-W", "style"},
		"man":    {"--warnings=all", "--local-file", "-"},
	} {
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader(page)
		cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=78", "MANROFFSEQ=", "GROFF_NO_SGR=1")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v\n%s%s", name, err, &stdout, &stderr)
		}
		if name == "mandoc" {
			continue
		}
		// What man makes bold is struck twice.
		text := stdout.String()
		for at := strings.Index(text, "\b"); at > 0; at = strings.Index(text, "\b") {
			text = text[:at-1] + text[at+1:]
		}
		for _, c := range all {
			for _, o := range optionsOf(c) {
				if o.Long != "help" && !strings.Contains(text, "--"+o.Long) {
					t.Errorf("%s shows no --%s of %s", name, o.Long, c.Name)
				}
			}
		}
		for _, want := range []string{"OPTIONS", "--version", "EXIT STATUS", "FILES", "EXAMPLES", "leaktrace run [OPTION…] (--pid N | -- COMMAND [ARG…])", "v1.2.3"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s shows no %q:\n%s", name, want, text)
			}
		}
	}
}

func TestEscapeRoff(t *testing.T) {
	p := roff{}
	p.text(`.SH 'a' -b\c …`)
	if got, want := p.String(), `\&.SH \(aqa\(aq \-b\ec \[u2026]`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
