package limit

import (
	"os"
	"strconv"
	"strings"
)

// boundless is the least number that no machine can reach: the kernel writes
// limits that are none as -1 or as the largest number of some type.
const boundless = 1 << 62

// readNumber reads a file that holds one number. Everything else that files of
// limits may hold, such as "max", is no limit.
func readNumber(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	return parseNumber(strings.TrimSpace(string(text)))
}

func parseNumber(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n < boundless
}
