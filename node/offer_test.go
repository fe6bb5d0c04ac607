package node

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/protocols"
)

// TestWantedFollowsTheOffer: whom discovery looks for is what the protocols want that run
// now.
func TestWantedFollowsTheOffer(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	spec := func(name string) protocols.Spec {
		return protocols.Spec{
			Name: name, Versions: []protocols.Version{{Number: 1, Length: 1}},
			New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
		}
	}
	found := func(name string) *enode.Node {
		n, err := signRecord(key, []enr.Entry{enr.WithEntry(name, []uint{1})}, 1)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n, err := New(Config{Key: key, Specs: []protocols.Spec{spec("chat").Advertised()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		specs       []protocols.Spec
		all         bool // nobody has to be asked
		chat, bench bool // nodes whose records say so are wanted
	}{
		{"one", []protocols.Spec{spec("chat").Advertised()}, false, true, false},
		{"another", []protocols.Spec{spec("bench").Advertised()}, false, false, true},
		{"two", []protocols.Spec{spec("chat").Advertised(), spec("bench").Advertised()}, false, true, true},
		{"one that takes all", []protocols.Spec{spec("chat").Advertised(), spec("bench")}, true, true, true},
		{"none", nil, false, false, false},
	} {
		mounted, err := protocols.Mount(tt.specs...)
		if err != nil {
			t.Fatal(err)
		}
		o, err := newOffer(key, "test", 30303, mounted)
		if err != nil {
			t.Fatal(err)
		}
		n.offer.Store(o)
		want := n.wanted()
		if (want == nil) != tt.all {
			t.Errorf("%s: takes all: %v, want %v", tt.name, want == nil, tt.all)
		}
		if want != nil && (want(found("chat")) != tt.chat || want(found("bench")) != tt.bench) {
			t.Errorf("%s: wants chat %v and bench %v, want %v and %v", tt.name, want(found("chat")), want(found("bench")), tt.chat, tt.bench)
		}
	}
}
