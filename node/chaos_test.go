package node

import (
	"testing"
	"time"
)

func TestGlobMatch(t *testing.T) {
	const path = "node-1f0a9c3e/peers/peer-9f3c61aa/bench"
	tests := []struct {
		pattern string
		want    bool
	}{
		{"*", true},
		{path, true},
		{"", false},
		{"*/bench", true},
		{"*bench", true},
		{"*/benc", false},
		{"*/chat", false},
		{"bench", false},
		{"node-*", true},
		{"node-*/peers/*", true},
		{"node-*/peers", false},
		{"*/peer-*/*", true},
		{"*peers*peers*", false},
		{"*peer*peer*bench*", true},
		{"**bench", true},
		{"node-1f0a9c3e/peers/peer-9f3c61aa/bench*", true},
		{"*61aa/bench/*", false},
		{"*ench*ench", false},
	}
	for _, tt := range tests {
		if got := globMatch(tt.pattern, path); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, path, got, tt.want)
		}
	}
}

func TestParseChaos(t *testing.T) {
	tests := []struct {
		in   string
		want Chaos
		ok   bool
	}{
		{"*/bench@2s", Chaos{"*/bench", 2 * time.Second}, true},
		{"a@b@50ms", Chaos{"a@b", 50 * time.Millisecond}, true},
		{"*/bench", Chaos{}, false},
		{"@2s", Chaos{}, false},
		{"*/bench@", Chaos{}, false},
		{"*/bench@soon", Chaos{}, false},
		{"*/bench@0s", Chaos{}, false},
		{"*/bench@-1s", Chaos{}, false},
	}
	for _, tt := range tests {
		got, err := ParseChaos(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: %+v, %v; want %+v, ok %v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}
