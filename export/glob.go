package export

// Glob tells whether all of name is as pattern says: * stands for any
// characters, / and none included, and ? for any one. Nothing else is special,
// for names are full of brackets. It takes at most len(pattern)*len(name) steps.
func Glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	// star is the last * passed, and from the first character behind what it
	// stands for. Earlier stars need no second try: they took as little as they
	// could.
	i, star, from := 0, -1, 0
	for j := 0; j < len(n); {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
