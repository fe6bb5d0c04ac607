package offer_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/protocols"
)

// TestWanted: the filter for discovery accepts the nodes that the offered protocols want.
func TestWanted(t *testing.T) {
	key := fixture.Key(t)
	spec := func(name string) protocols.Spec {
		return protocols.Spec{
			Name: name, Versions: []protocols.Version{{Number: 1, Length: 1}},
			New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
		}
	}
	found := func(name string) *enode.Node {
		var r enr.Record
		r.Set(enr.WithEntry(name, []uint{1}))
		if err := enode.SignV4(&r, key); err != nil {
			t.Fatal(err)
		}
		n, err := enode.New(enode.ValidSchemes, &r)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, tt := range []struct {
		name        string
		specs       []protocols.Spec
		all         bool // any node is wanted
		chat, bench bool // nodes with such an entry in the record are wanted
	}{
		{"one", []protocols.Spec{spec("chat").Advertised()}, false, true, false},
		{"another", []protocols.Spec{spec("bench").Advertised()}, false, false, true},
		{"two", []protocols.Spec{spec("chat").Advertised(), spec("bench").Advertised()}, false, true, true},
		{"one that wants any node", []protocols.Spec{spec("chat").Advertised(), spec("bench")}, true, true, true},
		{"none", nil, false, false, false},
	} {
		mounted, err := protocols.Mount(tt.specs...)
		if err != nil {
			t.Fatal(err)
		}
		o, err := offer.New(key, "test", 30303, mounted)
		if err != nil {
			t.Fatal(err)
		}
		want := o.Wanted()
		if (want == nil) != tt.all {
			t.Errorf("%s: any node is wanted: %v, want %v", tt.name, want == nil, tt.all)
		}
		if want != nil && (want(found("chat")) != tt.chat || want(found("bench")) != tt.bench) {
			t.Errorf("%s: wants chat %v and bench %v, want %v and %v", tt.name, want(found("chat")), want(found("bench")), tt.chat, tt.bench)
		}
	}
}
