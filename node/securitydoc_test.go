package node_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// homes has the folders of the packages that docs/security.md names, from this one.
var homes = map[string]string{
	"wire": "../wire", "actors": "../actors", "nat": "../nat", "node": ".", "setup": "setup", "bans": "bans",
	"discovery": "discovery", "punch": "punch", "admin": "admin",
}

// TestDocSecurity: each constant that docs/security.md names is declared in its package.
func TestDocSecurity(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash("../docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z]+)\\.([a-zA-Z]+)`").FindAllStringSubmatch(string(text), -1)
	declared := map[string]map[string]bool{}
	checked := 0
	for _, match := range named {
		pkg, name := match[1], match[2]
		folder, ok := homes[pkg]
		if !ok {
			continue // a file, such as bans.json
		}
		if declared[pkg] == nil {
			declared[pkg] = constantsOf(t, folder)
		}
		if name != "json" && !declared[pkg][name] {
			t.Errorf("docs/security.md names %s.%s, which is no constant", pkg, name)
		}
		checked++
	}
	if checked < 30 {
		t.Errorf("only %d constants are checked", checked)
	}
}

// constantsOf returns the names of the constants that the files of a folder declare.
func constantsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					names[n.Name] = true
				}
			}
		}
	}
	return names
}
