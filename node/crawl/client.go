package crawl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of stored text from remotes, in characters; maxCaps is a number of capabilities. A
// Hello has 2048 bytes at most, and a client's name usually about fifty.
const (
	maxName  = 256
	maxWord  = 48
	maxError = 200
	maxCaps  = 64
)

// clean makes text from a remote safe to store and print. It removes control characters,
// marks that reverse text, and line breaks, and cuts the text to limit characters.
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

// parseClient parses a client's name in the usual form: Geth/v1.17.10-stable/linux-amd64/go1.26.
// The second part may be a name that the operator has chosen. Missing parts are empty.
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

// isVersion reports whether a part begins with a digit, or with v and a digit.
func isVersion(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "v"), "V")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

// short removes commit and date, which differ from build to build, from a version:
// v1.17.10-stable-1a2b3c4d becomes v1.17.10-stable.
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
