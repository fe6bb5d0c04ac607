package actors

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestT2NoFunctionHidesTheWriter: the walk of types cannot look into functions, so that a field
// with a function might write without the token. All such fields of what a link consists of are
// known; none of them writes.
func TestT2NoFunctionHidesTheWriter(t *testing.T) {
	known := []string{
		"Host.produce", "Protocol.Mount", "Protocol.Urgent", "sequence.next", "sequence.stop",
		"lazyContext.cancel", "common.standing", "rawSource.try", "outbox.pause",
	}
	found := map[string]bool{}
	seen := map[reflect.Type]bool{}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan, reflect.Map:
			walk(typ.Elem())
		case reflect.Struct:
			if !strings.HasPrefix(typ.PkgPath(), "github.com/troupe-p2p/") && !strings.HasPrefix(typ.PkgPath(), "sync") {
				return
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				if f.Type.Kind() == reflect.Func && typ.PkgPath() == reflect.TypeFor[Link]().PkgPath() {
					found[typ.Name()+"."+f.Name] = true
				}
				walk(f.Type)
			}
		}
	}
	for _, v := range []any{Link{}, Host{}, incarnation{}, pinger{}, reader{}, pump{}, batch{}} {
		walk(reflect.TypeOf(v))
	}
	for name := range found {
		if !slices.Contains(known, name) {
			t.Errorf("%s is a function: does it write?", name)
		}
	}
	if !found["Host.produce"] || !found["lazyContext.cancel"] {
		t.Errorf("the walk found only %v", slices.Sorted(maps.Keys(found)))
	}
}

// TestT2OnlyTheFrameWriterWrites reads the package's source. Only frameWriter.flush calls a
// method named Write, only frameWriter.write seals, and only the token, its mint and the farewell
// name the frame writer. An interface that has Write appears nowhere else: no type assertion
// turns the link's connection back into a writer.
func TestT2OnlyTheFrameWriterWrites(t *testing.T) {
	rules := []struct {
		what    string
		is      func(n ast.Node) bool
		allowed []string // declarations
	}{
		{"Write", func(n ast.Node) bool { return selects(n, "Write", "WriteTo", "ReadFrom") }, []string{"frameWriter.flush"}},
		{"Seal", func(n ast.Node) bool { return selects(n, "Seal") }, []string{"frameWriter.write"}},
		{"a type that writes", func(n ast.Node) bool {
			if f, ok := n.(*ast.InterfaceType); ok {
				for _, m := range f.Methods.List {
					for _, name := range m.Names {
						if name.Name == "Write" {
							return true
						}
					}
				}
			}
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return false
			}
			pkg, ok := s.X.(*ast.Ident)
			return ok && slices.Contains([]string{"io", "net", "bufio", "syscall"}, pkg.Name) &&
				slices.Contains([]string{"Writer", "ReadWriter", "WriteCloser", "ReadWriteCloser", "WriterTo", "Conn", "TCPConn", "RawConn"}, s.Sel.Name)
		}, []string{
			"frameWriter", "Config", // hold the connection for the frame writer
			"newSource", "rawSource", "parkedSocket", "parkedSocket.park", "wakeParked", // read by syscall.RawConn
		}},
		{"the frame writer", func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			return ok && id.Name == "frameWriter"
		}, []string{
			"frameWriter", "WriteToken", "arbiter", "stage", "newStage",
			"frameWriter.write", "frameWriter.drop", "frameWriter.flush", "frameWriter.disconnect",
			"frameWriter.cool", "frameWriter.park",
		}},
		{"the token's writer", func(n ast.Node) bool { return selects(n, "writer") }, []string{
			"WriteToken.write", "WriteToken.cool", "arbiter.grant", "arbiter.rest", "newStage", "stage.newPeer", "peer.farewell", "peer.stopped",
		}},
	}
	used := map[string]bool{}
	for name, decl := range declarations(t) {
		ast.Inspect(decl, func(n ast.Node) bool {
			for _, rule := range rules {
				if n == nil || !rule.is(n) {
					continue
				}
				if !slices.Contains(rule.allowed, name) {
					t.Errorf("%s uses %s", name, rule.what)
				}
				used[rule.what] = true
			}
			return true
		})
	}
	for _, rule := range rules {
		if !used[rule.what] {
			t.Errorf("nothing uses %s: the test does not see it", rule.what)
		}
	}
}

// selects says whether n is x.name, for one of the names.
func selects(n ast.Node, names ...string) bool {
	s, ok := n.(*ast.SelectorExpr)
	return ok && slices.Contains(names, s.Sel.Name)
}

// declarations are the package's types, functions and methods (T.m), without those of tests.
func declarations(t *testing.T) map[string]ast.Node {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	decls := map[string]ast.Node{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				decls[receiver(d)+d.Name.Name] = d
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						decls[s.Name.Name] = s
					case *ast.ValueSpec:
						decls[s.Names[0].Name] = s
					}
				}
			}
		}
	}
	return decls
}

// receiver is the name of a method's type with a dot behind it.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name + "."
}
