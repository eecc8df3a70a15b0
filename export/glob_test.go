package export

import (
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*", "", true},
		{"?", "", false},
		{"leak", "leak", true},
		{"leak", "leaky", false},
		{"eak", "leak", false},
		{"leak*", "leak", true},
		{"*leak", "not a leak", true},
		{"*leak*", "a leak of", true},
		{"l?ak", "leak", true},
		{"l?ak", "lak", false},
		{"l?ak", "l\u00e9ak", true},
		{"a*b*c", "abcbc", true},
		{"a*b*c", "acb", false},
		{"a**b", "ab", true},
		{"com.example.Pool.*", "com.example.Pool.grow", true},
		{"com.example.Pool.*", "com.example.Pools", false},
		{"example.com/*/pool.(*Pool).grow", "example.com/a/b/pool.(*Pool).grow", true},
		{"main.Map[...].grow", "main.Map[...].grow", true},
		{"main.[a-z]", "main.b", false},
		{`operator\*`, `operator*`, false},
		{"Pool::grow(*)", "Pool::grow(std::vector<int> const&)", true},
		{strings.Repeat("*a", 500) + "b", strings.Repeat("a", 50_000), false},
	}
	for _, tt := range tests {
		if got := Glob(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Glob(%.40q, %.40q) = %t, want %t", tt.pattern, tt.name, got, tt.want)
		}
	}
}
