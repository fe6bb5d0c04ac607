package shh_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// TestFlags: the defaults are those of the Config, and a wrong value changes nothing.
func TestFlags(t *testing.T) {
	w := newWhisper(t, shh.Config{MaxMessageSize: 5000})
	flags := w.Spec().Flags
	var got []string
	list := func() (list []string) {
		flags.VisitAll(func(f *flag.Flag) { list = append(list, f.Name+"="+f.Value.String()) })
		return list
	}
	flags.VisitAll(func(f *flag.Flag) { got = append(got, f.Name+"="+f.DefValue) })
	want := []string{"shh.light=false", "shh.maxmessagesize=5000", "shh.poolbytes=67108864", "shh.poolenvelopes=16384", "shh.pow=0.2"}
	if !slices.Equal(got, want) || !slices.Equal(list(), want) {
		t.Errorf("defaults %q, values %q, want %q", got, list(), want)
	}
	for _, c := range []struct{ name, value, err string }{
		{"shh.pow", "-1", "PoW requirement of -1, want a finite number that is not negative"},
		{"shh.pow", "NaN", "PoW requirement of NaN, want a finite number that is not negative"},
		{"shh.pow", "much", "invalid syntax"},
		{"shh.maxmessagesize", "0", "want 1 to 10485760"},
		{"shh.maxmessagesize", "10485761", "want 1 to 10485760"},
		{"shh.poolbytes", "99999999999999999999", "value out of range"},
		{"shh.poolenvelopes", "-5", "want 1 to 2147483647"},
		{"shh.light", "perhaps", "invalid syntax"},
	} {
		if err := flags.Set(c.name, c.value); fmt.Sprint(err) != c.err {
			t.Errorf("--%s %s: %v, want %s", c.name, c.value, err, c.err)
		}
	}
	if !slices.Equal(list(), want) {
		t.Errorf("after wrong values, the values are %q, want %q", list(), want)
	}
	if err := flags.Parse([]string{"--shh.pow", "0", "--shh.light", "--shh.maxmessagesize=10485760"}); err != nil {
		t.Fatal(err)
	}
	if info := w.Info(); info.MinPow != 0 || info.MaxMessageSize != shh.MaxMessageSize {
		t.Errorf("info %+v", info)
	}
}

// TestFlagsTakeEffect: the status that a remote gets has them, and the pool keeps to them.
func TestFlagsTakeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, shh.Config{})
		if err := w.Spec().Flags.Parse([]string{"--shh.pow=0.001", "--shh.light", "--shh.poolenvelopes=2"}); err != nil {
			t.Fatal(err)
		}
		p := remote(t, w, status())
		if got := protocoltest.Next[shh.Status](p.B); !got.Light || got.MinPoW != shh.PoWRequirement(0x3f50624dd2f1a9fc) {
			t.Errorf("status %+v", got)
		}
		for n := range 4 {
			send(t, p.B, bundle(t, sealed(t, fmt.Sprint(n), 1, nil)))
		}
		synctest.Wait()
		if got := w.Info().Messages; got != 2 {
			t.Errorf("the pool has %d envelopes, want 2", got)
		}
	})
}
