package tests

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// maxRendered bounds how many objects of a site a failing test shows.
const maxRendered = 5

// render is a snapshot in full, for the reader of a failed test.
func render(shot *tracer.Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "snapshot: %d tracked, lost %v, stacks %v\n", shot.Tracked, shot.Lost, shot.StackQuality)
	for _, site := range shot.Sites {
		fmt.Fprintf(&b, "%s %s: %d outstanding, %d created, %d released, stack %s\n",
			site.Kind, site.Fingerprint, len(site.Outstanding), site.Created, site.Released, site.Stack.Quality)
		for i, frame := range site.Stack.Frames {
			mark := " "
			if i == site.Stack.Site {
				mark = ">"
			}
			fmt.Fprintf(&b, "  %s %s\n", mark, renderFrame(frame))
		}
		for i, object := range site.Outstanding {
			if i == maxRendered {
				fmt.Fprintf(&b, "    and %d more\n", len(site.Outstanding)-i)
				break
			}
			fmt.Fprintf(&b, "    %s\n", renderObject(object))
		}
	}
	return b.String()
}

func renderFrame(f symbol.Frame) string {
	inlined := ""
	if f.Inlined {
		inlined = " (inlined)"
	}
	return fmt.Sprintf("%s %s:%d%s [%s+%#x]", f.Function, filepath.Base(f.File), f.Line, inlined, f.Module, f.Address)
}

func renderObject(o tracer.Object) string {
	text := fmt.Sprintf("%d %q owner %+v", o.ID, o.Name, o.Owner)
	if o.BeforeTracing {
		text += " before tracing"
	}
	if o.Zombie != nil {
		text += fmt.Sprintf(" %+v", *o.Zombie)
	}
	if o.Socket != nil {
		text += fmt.Sprintf(" %+v", *o.Socket)
	}
	return text
}

// functionOf names a frame, by its address where there is no symbol.
func functionOf(f symbol.Frame) string {
	if f.Function == "" {
		return fmt.Sprintf("%s+%#x", filepath.Base(f.Module), f.Address)
	}
	return f.Function
}
