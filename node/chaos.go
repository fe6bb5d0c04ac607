package node

import (
	"fmt"
	"strings"
	"time"
)

// Chaos makes actors panic at intervals, to test supervision.
type Chaos struct {
	// Pattern is matched against the whole path of each actor, without the suffix that
	// changes with each restart. A * stands for any characters, / included.
	Pattern string
	// Interval is the time between two injections.
	Interval time.Duration
}

// ParseChaos parses GLOB@INTERVAL, for example "*/bench@2s".
func ParseChaos(s string) (Chaos, error) {
	i := strings.LastIndexByte(s, '@')
	if i <= 0 {
		return Chaos{}, fmt.Errorf("%q: want GLOB@INTERVAL, for example */bench@2s", s)
	}
	interval, err := time.ParseDuration(s[i+1:])
	if err != nil {
		return Chaos{}, fmt.Errorf("%q: interval: %w", s, err)
	}
	if interval <= 0 {
		return Chaos{}, fmt.Errorf("%q: interval must be positive", s)
	}
	return Chaos{Pattern: s[:i], Interval: interval}, nil
}

// globMatch matches a whole path. The text before the first star and after the last one is
// anchored. The text between stars is searched from left to right.
func globMatch(pattern, path string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == path
	}
	path, ok := strings.CutPrefix(path, head)
	if !ok {
		return false
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(path, part)
		}
		i := strings.Index(path, part)
		if i < 0 {
			return false
		}
		path, rest = path[i+len(part):], next
	}
}
