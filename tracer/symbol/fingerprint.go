package symbol

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
)

// Fingerprint identifies a creation site: 16 hex digits made of the kind of
// resource and the application's functions, or all functions when none is the
// application's. Rebuilding or moving code does not change it as long as the
// functions have names; without, it holds for one build of the module.
func Fingerprint(kind string, frames []Frame) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q", kind)
	any := false
	for _, all := range []bool{false, true} {
		for _, f := range frames {
			if all || layerOf(f) == application {
				fmt.Fprintf(sum, "\n%s", identity(f))
				any = true
			}
		}
		if any {
			break
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// identity is what of a frame survives a rebuild.
func identity(f Frame) string {
	if f.Function != "" {
		return fmt.Sprintf("%q", dropHash(dropClone(f.Function)))
	}
	if f.Module == "" || f.Module[0] == '[' {
		// Anonymous memory has another address in each process.
		return fmt.Sprintf("%q", f.Module)
	}
	return fmt.Sprintf("%q %s %#x", path.Base(f.Module), f.BuildID, f.Address)
}
