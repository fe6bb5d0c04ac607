package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

const (
	troupeModule     = "github.com/troupe-p2p/troupe"
	protoactorModule = "github.com/asynkron/protoactor-go"
)

//go:embed newprotocol
var templates embed.FS

// scaffold describes a new protocol for the templates.
type scaffold struct {
	Name    string // of the protocol
	Package string
	Module  string // path of the new module
	Troupe  string // path of Troupe's module
}

var modulePath = regexp.MustCompile(`^[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*$`)

// newScaffold checks the name by the rules of package protocols. If module is empty, it derives
// the module path from the name.
func newScaffold(name, module string) (*scaffold, error) {
	least := protocols.Spec{
		Name: name, New: func() actor.Actor { return nil },
		Versions: []protocols.Version{{Number: 1, Length: 1}},
	}
	if err := least.Check(); err != nil {
		return nil, err
	}
	s := &scaffold{Name: name, Package: packageOf(name), Module: module, Troupe: troupeModule}
	if module == "" {
		s.Module = "example.com/" + s.Package
	}
	if !modulePath.MatchString(s.Module) {
		return nil, fmt.Errorf("%q is not a valid module path", s.Module)
	}
	return s, nil
}

// packageOf returns a package name for a protocol, whose name may have any printable characters.
func packageOf(protocol string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(protocol))
	// These names have a special meaning for the go command, as a package or as a directory.
	taken := map[string]bool{"main": true, "internal": true, "vendor": true, "testdata": true}
	if !token.IsIdentifier(name) || taken[name] {
		return "p" + name
	}
	return name
}

// troupe describes the Troupe that a new module requires.
type troupe struct {
	dir        string // of the source
	require    [][2]string
	goVersion  string
	goMod      []byte
	goSum      []byte
	version    string // a release; empty: the source in dir
	sum        string // hash of the release, in the format of go.sum
	protoactor string // its version
}

// readTroupe reads go.mod and go.sum in dir. A module that requires Troupe must list the versions
// and hashes of all modules that Troupe requires.
func readTroupe(dir string) (*troupe, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	t := &troupe{dir: dir}
	if t.goMod, err = os.ReadFile(filepath.Join(dir, "go.mod")); err != nil {
		return nil, err
	}
	if t.goSum, err = os.ReadFile(filepath.Join(dir, "go.sum")); err != nil {
		return nil, err
	}
	block, module := "", ""
	for line := range strings.Lines(string(t.goMod)) {
		line, _, _ = strings.Cut(line, "//")
		switch f := strings.Fields(line); {
		case len(f) == 0:
		case f[0] == ")":
			block = ""
		case len(f) == 2 && f[1] == "(":
			block = f[0]
		case block == "require" && len(f) == 2:
			t.add(f[0], f[1])
		case f[0] == "require" && len(f) == 3:
			t.add(f[1], f[2])
		case f[0] == "module" && len(f) == 2:
			module = f[1]
		case f[0] == "go" && len(f) == 2:
			t.goVersion = f[1]
		}
	}
	if module != troupeModule {
		return nil, fmt.Errorf("%s has the module %q, want %s", dir, module, troupeModule)
	}
	return t, nil
}

func (t *troupe) add(path, version string) {
	if path == protoactorModule {
		t.protoactor = version
		return
	}
	t.require = append(t.require, [2]string{path, version})
}

// modFile returns the go.mod of the new module.
func (t *troupe) modFile(module string) []byte {
	var b bytes.Buffer
	version := t.version
	if version == "" {
		version = "v0.0.0"
	}
	fmt.Fprintf(&b, "module %s\n\ngo %s\n\nrequire (\n\t%s %s\n\t%s %s\n)\n\nrequire (\n", module, t.goVersion, protoactorModule, t.protoactor, troupeModule, version)
	for _, r := range t.require {
		fmt.Fprintf(&b, "\t%s %s // indirect\n", r[0], r[1])
	}
	b.WriteString(")\n")
	if t.version == "" {
		fmt.Fprintf(&b, "\nreplace %s => %q\n", troupeModule, t.dir)
	}
	return b.Bytes()
}

// sumFile returns the go.sum of the new module.
func (t *troupe) sumFile() []byte {
	if t.version == "" {
		return t.goSum
	}
	own := fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", troupeModule, t.version, t.sum, modHash(t.goMod))
	return append([]byte(own), t.goSum...)
}

// modHash returns the hash of a go.mod in the format of go.sum (golang.org/ref/mod, "go.sum
// files").
func modHash(goMod []byte) string {
	list := sha256.Sum256(fmt.Appendf(nil, "%x  go.mod\n", sha256.Sum256(goMod)))
	return "h1:" + base64.StdEncoding.EncodeToString(list[:])
}

// write writes the module to dir, which must not exist or must be empty.
func (s *scaffold) write(dir string, from *troupe) error {
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: it contains %s", dir, entries[0].Name())
	}
	files := map[string][]byte{"go.mod": from.modFile(s.Module), "go.sum": from.sumFile()}
	for file, tmpl := range map[string]string{
		"spec.go":      "spec.go.tmpl",
		"peer.go":      "peer.go.tmpl",
		"spec_test.go": "spec_test.go.tmpl",
		filepath.Join("cmd", s.Package, "main.go"): "main.go.tmpl",
	} {
		source, err := s.fill(tmpl)
		if err != nil {
			return fmt.Errorf("%s: %w", tmpl, err)
		}
		files[file] = source
	}
	for file, content := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// fill executes a template and formats the result, because its layout depends on the names.
func (s *scaffold) fill(tmpl string) ([]byte, error) {
	t, err := template.ParseFS(templates, "newprotocol/"+tmpl)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}
