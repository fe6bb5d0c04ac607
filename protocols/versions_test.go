package protocols_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// detailed is version 2's replacement for answer, with another code.
type detailed struct {
	N    uint64
	Note string
}

// oldAndNew is a Spec with two versions in which the same code has different meanings.
func oldAndNew(numbers ...uint) protocols.Spec {
	versions := map[uint]protocols.Version{
		1: {Number: 1, Length: 2, Messages: []protocols.Message{protocols.Type[ask](), protocols.Type[answer]()}},
		2: {Number: 2, Length: 3, Messages: []protocols.Message{protocols.Type[detailed](), protocols.Ignore(), protocols.Type[ask]()}},
	}
	s := protocols.Spec{Name: "both", New: func() actor.Actor { return new(versed) }}
	for _, n := range numbers {
		s.Versions = append(s.Versions, versions[n])
	}
	return s
}

// versed answers with the message of the running version.
type versed struct{ link *protocols.Link }

func (v *versed) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		v.link = msg.Link
	case *ask:
		var reply any = &answer{N: msg.N}
		if v.link.Version() >= 2 {
			reply = &detailed{N: msg.N, Note: fmt.Sprint("version ", v.link.Version())}
		}
		if err := v.link.Send(reply); err != nil {
			panic(err)
		}
	}
}

// TestVersionsSideBySide: one node speaks both versions, and uses with each remote the version
// that the remote has.
func TestVersionsSideBySide(t *testing.T) {
	both := oldAndNew(1, 2)
	old := protocoltest.NewPair(t, both, protocoltest.ByHand(oldAndNew(1)))
	fresh := protocoltest.NewPair(t, both, protocoltest.ByHand(oldAndNew(2, 1)))
	send(t, old.B, &ask{N: 3})
	send(t, fresh.B, &ask{N: 4})
	if got := protocoltest.Next[answer](old.B); got.N != 3 {
		t.Errorf("version 1 answers %+v", got)
	}
	if got := protocoltest.Next[detailed](fresh.B); *got != (detailed{4, "version 2"}) {
		t.Errorf("version 2 answers %+v", got)
	}
	for _, c := range []struct {
		link *protocols.Link
		msg  any
		want string
	}{
		{old.A.Link, &detailed{}, "both/1"},
		{fresh.A.Link, &answer{}, "both/2"},
	} {
		var unknown *protocols.UnknownTypeError
		if err := c.link.Send(c.msg); !errors.As(err, &unknown) || unknown.Protocol != c.want {
			t.Errorf("%T on a link of %s: %v", c.msg, c.want, err)
		}
	}
}
