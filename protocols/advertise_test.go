package protocols_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/protocols"
)

func TestAdvertised(t *testing.T) {
	spec := func(name string, versions ...uint) protocols.Spec {
		s := protocols.Spec{Name: name}
		for _, v := range versions {
			s.Versions = append(s.Versions, protocols.Version{Number: v})
		}
		return s.Advertised()
	}
	mine := spec("talk", 2, 3)
	for _, tt := range []struct {
		name   string
		theirs []enr.Entry
		want   bool
	}{
		{"the same", mine.Attributes(), true},
		{"one common version", spec("talk", 1, 2).Attributes(), true},
		{"other versions", spec("talk", 1).Attributes(), false},
		{"another protocol", spec("walk", 2).Attributes(), false},
		{"no entries", nil, false},
		{"another kind of entry under the name", []enr.Entry{enr.WithEntry("talk", "hello")}, false},
	} {
		var r enr.Record
		for _, e := range tt.theirs {
			r.Set(e)
		}
		if got := mine.Wants(&r); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
