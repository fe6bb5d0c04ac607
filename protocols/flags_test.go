package protocols_test

import (
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/protocols"
)

// flagged is a Spec of this name with flags of these names.
func flagged(protocol string, names ...string) protocols.Spec {
	s := specOf(protocols.Type[ask]())
	s.Name, s.Flags = protocol, flag.NewFlagSet(protocol, flag.ContinueOnError)
	s.Flags.SetOutput(io.Discard)
	for _, name := range names {
		s.Flags.String(name, "", "")
	}
	return s
}

func TestFlagsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		spec protocols.Spec
		err  string // empty: none
	}{
		"good":           {flagged("talk", "talk.a", "talk.max-size_2", "talk.a.b", "talk.Z"), ""},
		"no flags":       {flagged("talk"), ""},
		"nil":            {specOf(protocols.Type[ask]()), ""},
		"no prefix":      {flagged("talk", "pow"), `protocol talk: flag "pow": the name must begin with "talk."`},
		"another prefix": {flagged("talk", "talks.pow"), `must begin with "talk."`},
		"prefix alone":   {flagged("talk", "talk."), `must begin with "talk."`},
		"blank":          {flagged("talk", "talk.a b"), `flag "talk.a b": the name must have only letters`},
		"several":        {flagged("talk", "talk.ü", "pow"), `flag "talk.ü": the name must have only letters`},
	} {
		// Twice: Check changes no value.
		for range 2 {
			if err := c.spec.Check(); (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", name, err, c.err)
			}
		}
	}
}

func TestFlagsCollide(t *testing.T) {
	one, two := flagged("a", "a.b.c", "a.d"), flagged("a.b", "a.b.c")
	if _, err := protocols.Mount(one, two); err == nil || err.Error() != "protocol a.b: flag --a.b.c is a flag of protocol a" {
		t.Errorf("Mount: %v", err)
	}
	if _, err := protocols.Mount(one); err != nil {
		t.Errorf("Mount: %v", err)
	}
	if err := protocols.CheckFlags([]string{"port", "a.d"}, one); err == nil || err.Error() != "protocol a: flag --a.d is a flag of the program" {
		t.Errorf("CheckFlags: %v", err)
	}
	if err := protocols.CheckFlags([]string{"port"}, one); err != nil {
		t.Errorf("CheckFlags: %v", err)
	}
}
