// Package symbol turns addresses of a mapped ELF file or of JIT code into
// functions and source lines. It reads files and never the traced process, so
// it keeps working after the process has ended.
package symbol

// Frame is one function activation of a symbolised stack.
type Frame struct {
	// Function is the demangled name, empty when no symbol covers the address.
	Function string `json:"function"`
	// File and Line are where the function was executing; empty and 0 when
	// the module carries no line information.
	File string `json:"file"`
	Line int    `json:"line"`
	// Module is the path of the mapped file as the traced process sees it,
	// "[vdso]" and the like for mappings without a file, or empty.
	Module string `json:"module"`
	// BuildID is the GNU build ID in hex, or the Go build ID, or empty.
	BuildID string `json:"build_id"`
	// Address is the ELF virtual address in Module of the instruction the
	// frame returns to; for mappings without a file the absolute address.
	Address uint64 `json:"address"`
	// Inlined marks a function whose code was inlined into the next frame of
	// the stack; both carry the same Address.
	Inlined bool `json:"inlined"`
}
