package protocols_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuide compares the code of docs/protocols.md with the examples and tests that it is taken
// from, so that the guide's code compiles and works.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, pattern := range []string{"example_*test.go", "protocoltest/example_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, "\n"+string(source))
		}
	}
	all := strings.Join(sources, "")
	blocks := strings.Split(string(guide), "\n```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the guide shows no code")
	}
	for _, b := range blocks {
		code, _, closed := strings.Cut(b, "\n```\n")
		if !closed || !strings.Contains(all, "\n"+code+"\n") {
			t.Errorf("no example contains this code:\n%s", code)
		}
	}
}

// TestGuideIsShort: the guide's protocol, with its tests, is a page or two.
func TestGuideIsShort(t *testing.T) {
	source, err := os.ReadFile("example_store_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\n"); n >= 120 {
		t.Errorf("example_store_test.go has %d lines, want less than 120", n)
	}
}
