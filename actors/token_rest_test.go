package actors

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestTokenRests: while no child waits, the token is with the protocol that had it last. It comes back
// as soon as another child waits, unless its holder writes.
func TestTokenRests(t *testing.T) {
	const a, b = firstProtocolSlot, firstProtocolSlot + 1
	// used returns an arbiter whose token a slot had and returned.
	used := func(s slot) *arbiter {
		arb := &arbiter{writer: new(frameWriter)}
		arb.request(s)
		tok := arb.grant()
		tok.begin()
		arb.accept(tok.end(nil, false))
		return arb
	}
	rests := func(arb *arbiter, want slot) *WriteToken {
		t.Helper()
		tok := arb.rest()
		if tok == nil || tok.holder != want || arb.out != tok {
			t.Fatalf("%+v rests, want %d", tok, want)
		}
		return tok
	}
	none := func(what string, tok *WriteToken) {
		t.Helper()
		if tok != nil {
			t.Errorf("%s: the token is with %d", what, tok.holder)
		}
	}
	none("no protocol had it", new(arbiter).rest())
	none("the pinger had it", used(pingerSlot).rest())

	arb := used(a)
	arb.request(b)
	none("a child waits", arb.rest())

	for _, s := range []slot{a, b, pingerSlot, peerSlot} {
		arb = used(a)
		resting := rests(arb, a)
		none("it rests already", arb.rest())
		arb.request(s)
		next := arb.grant()
		if next == nil || next.holder != s || next.resting || resting.begin() || !next.begin() {
			t.Errorf("after a request of %d: %+v is granted", s, next)
		}
	}

	arb = used(a)
	resting := rests(arb, a)
	resting.begin()
	arb.request(b)
	none("its holder writes", arb.grant())
	arb.accept(resting.end(nil, false))
	if next := arb.grant(); next == nil || next.holder != b {
		t.Errorf("after the write %+v is granted, want %d", next, b)
	}

	arb = used(a)
	resting = rests(arb, a)
	if !arb.failed(a) || resting.begin() {
		t.Error("a crash without the token in use ends the link, or leaves it usable")
	}
	none("its holder crashed", arb.rest())

	arb = used(a)
	resting = rests(arb, a)
	if !arb.close() || resting.begin() {
		t.Error("the writer of a closing link is not free")
	}
	none("the link closes", arb.rest())
}

// TestAnswerNeedsNoPeer: a protocol with which the token rests writes what a turn sends before the turn
// ends, without any other actor.
func TestAnswerNeedsNoPeer(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		r := meet(t, s.protocol("a"))
		h := r.link.hosts[0]
		for i := range 5 {
			s.tell(func(actor.Context) { _ = s.Send(0, []byte{byte(i)}) })
			if p, err := r.read(); err != nil || len(p.payload) != 1 || p.payload[0] != byte(i) {
				t.Fatalf("message %d: got %x, %v", i, p.payload, err)
			}
			actortest.After(1)
			if tok := h.grant.Load(); tok == nil || !tok.resting || tok.state.Load() != granted {
				t.Errorf("after message %d the token does not rest with the protocol: %+v", i, tok)
			}
		}
		r.conn.Close()
	})
}
