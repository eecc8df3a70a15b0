package live

import (
	"testing"

	"github.com/leaktrace/leaktrace/export"
)

func TestSpark(t *testing.T) {
	tests := map[string]struct {
		history []export.Point
		want    string
	}{
		"none":      {nil, "        "},
		"steady":    {[]export.Point{{AtS: 0, Outstanding: 4}, {AtS: 8, Outstanding: 4}}, "▇▇▇▇▇▇▇▇"},
		"late":      {[]export.Point{{AtS: 5.5, Outstanding: 1}}, "     ▇▇▇"},
		"grows":     {[]export.Point{{AtS: 1, Outstanding: 1}, {AtS: 2, Outstanding: 2}, {AtS: 3, Outstanding: 3}, {AtS: 4, Outstanding: 4}, {AtS: 5, Outstanding: 5}, {AtS: 6, Outstanding: 6}, {AtS: 7, Outstanding: 7}, {AtS: 8, Outstanding: 8}}, "▁▂▃▄▅▆▇▇"},
		"drains":    {[]export.Point{{AtS: 1, Outstanding: 1000}, {AtS: 4, Outstanding: 1}, {AtS: 6, Outstanding: 0}}, "▇▇▇▁▁   "},
		"after end": {[]export.Point{{AtS: 1, Outstanding: 1}, {AtS: 9, Outstanding: 2}}, "▄▄▄▄▄▄▄▇"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := spark(tt.history, 8, 8); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := spark(nil, 8, 0); got != "" {
		t.Errorf("without room: %q", got)
	}
}
