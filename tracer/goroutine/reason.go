package goroutine

// firstReason is the text of the first wait reason of all releases; the one before it
// is empty.
const firstReason = "GC assist marking"

const (
	maxReasons    = 128
	maxTables     = 1 << 12 // that are looked at
	longestReason = 64
)

// findReasons finds the texts of wait reasons (runtime.waitReasonStrings). They are
// nil where there are none.
func findReasons(m Memory, data section) (reasons []string) {
	looked := 0
	search(m, data, 32, func(address uint64, b []byte) bool {
		if word(b, 0) != 0 || word(b, 8) != 0 || word(b, 24) != uint64(len(firstReason)) {
			return false
		}
		if looked++; readText(m, b[16:]) == firstReason {
			reasons = readReasons(m, address)
		}
		return reasons != nil || looked == maxTables
	})
	return reasons
}

// readReasons reads texts until there is something else.
func readReasons(m Memory, address uint64) []string {
	table := make([]byte, 16*maxReasons)
	n, _ := m.Read(table, piece(address, len(table)))
	reasons := []string{""}
	for at := 16; at+16 <= n; at += 16 {
		text := readText(m, table[at:])
		if text == "" {
			break
		}
		reasons = append(reasons, text)
	}
	return reasons
}

// readText reads the text that a string header refers to, empty if it is none.
func readText(m Memory, header []byte) string {
	size := word(header, 8)
	if size == 0 || size > longestReason {
		return ""
	}
	text := make([]byte, size)
	if !read(m, text, word(header, 0)) {
		return ""
	}
	for _, c := range text {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(text)
}
