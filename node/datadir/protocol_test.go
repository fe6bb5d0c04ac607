package datadir

import (
	"path/filepath"
	"testing"
)

func TestProtocolDir(t *testing.T) {
	for name, want := range map[string]string{
		"shh": "shh", "a-b_9": "a-b_9", "Shh": "%53hh", ".": "%2e", "..": "%2e%2e", `a\b`: "a%5cb", "a%5cb": "a%255cb", "c:": "c%3a",
	} {
		if got := ProtocolDir("data", name); got != filepath.Join("data", "protocols", want) {
			t.Errorf("%q is at %s, want %s", name, got, want)
		}
	}
}
