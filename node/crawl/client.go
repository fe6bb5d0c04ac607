package crawl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is kept of a remote's words, in characters. A Hello has 2048 bytes at most, a
// client's name some fifty as a rule.
const (
	maxName  = 256
	maxWord  = 48
	maxError = 200
	maxCaps  = 64
)

// clean makes a remote's words fit to be stored and printed: no control characters, no
// marks that turn text around, no line breaks, and no more than limit characters.
func clean(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsGraphic(r) {
			continue
		}
		if n++; n > limit {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// parseClient reads a client's name in the customary form: Geth/v1.17.10-stable/linux-amd64/go1.26,
// with or without a name that the operator gave it in second place. What isn't there is
// empty.
func parseClient(name string) (client, version string) {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = clean(p, maxWord)
	}
	client = parts[0]
	for _, p := range parts[1:min(len(parts), 3)] {
		if isVersion(p) {
			version = p
			break
		}
	}
	return client, strings.TrimSpace(short(version))
}

// isVersion says whether a part begins with a number, with or without a v before.
func isVersion(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "v"), "V")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

// short leaves out of a version the commit and date that differ from build to build:
// v1.17.10-stable-1a2b3c4d is v1.17.10-stable.
func short(version string) string {
	number, rest, _ := strings.Cut(version, "-")
	number, _, _ = strings.Cut(number, "+")
	word, _, _ := strings.Cut(rest, "-")
	word, _, _ = strings.Cut(word, "+")
	for _, r := range word {
		if r < 'a' || r > 'z' {
			return number
		}
	}
	if word == "" || len(word) >= 8 && strings.Trim(word, "abcdef") == "" {
		return number
	}
	return number + "-" + word
}
