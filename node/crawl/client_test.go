package crawl

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseClient(t *testing.T) {
	for _, tt := range []struct{ name, client, version string }{
		{"Geth/v1.17.10-stable-1a2b3c4d/linux-amd64/go1.26.8", "Geth", "v1.17.10-stable"},
		{"Geth/my node/v1.17.10-unstable-1a2b3c4d-20260102/linux-amd64/go1.26.8", "Geth", "v1.17.10-unstable"},
		{"Nethermind/v1.32.4+1c4c7c0a/linux-x64/dotnet9.0.7", "Nethermind", "v1.32.4"},
		{"besu/v25.7.0/linux-x86_64/openjdk-java-21", "besu", "v25.7.0"},
		{"reth/v1.6.0-48941e6/x86_64-unknown-linux-gnu", "reth", "v1.6.0"},
		{"erigon/v3.0.15-deadbeef/linux-amd64/go1.24.5", "erigon", "v3.0.15"},
		{"Troupe/v0.1.0/linux-amd64/go1.26.8", "Troupe", "v0.1.0"},
		{"ethereumjs-devp2p/2.1.0", "ethereumjs-devp2p", "2.1.0"},
		{"lonely", "lonely", ""},
		{"a/b/c/v1", "a", ""},
		{"", "", ""},
		{"/v2", "", "v2"},
		{"x\x1b[31m\n/v1\u202e.0/", "x[31m", "v1.0"},
	} {
		if client, version := parseClient(tt.name); client != tt.client || version != tt.version {
			t.Errorf("%q: got %q, %q, want %q, %q", tt.name, client, version, tt.client, tt.version)
		}
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Geth/v1", "Geth/v1"},
		{" héllo wörld ", "héllo wörld"},
		{"a\x00b\tc\r\nd\x7f", "abcd"},
		{"\x1b]0;title\x07", "]0;title"},
		{"\u202eevil\u2066", "evil"},
		{"\xff\xfe", ""},
		{"123456789", "12345678…"},
	} {
		if got := clean(tt.in, 8+max(0, len(tt.in)-9)); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzParseClient: whatever name a remote reports, the stored text is short and printable.
func FuzzParseClient(f *testing.F) {
	f.Add("Geth/v1.17.10-stable-1a2b3c4d/linux-amd64/go1.26.8")
	f.Add("\x1b[2J/\xff/" + strings.Repeat("v1", 2000))
	f.Add("/0  +")
	f.Fuzz(func(t *testing.T, name string) {
		client, version := parseClient(name)
		for _, s := range []string{client, version} {
			if n := utf8.RuneCountInString(s); n > maxWord+1 || s != clean(s, maxWord+1) {
				t.Errorf("%q was parsed as %q (%d characters)", name, s, n)
			}
		}
	})
}
