package main

import (
	"testing"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestChat: lines go both ways, also after a crash, and the room is empty after the last link has
// ended. The test plays B.
func TestChat(t *testing.T) {
	heard := make(chan string, 1)
	r := &room{hear: func(_ protocols.Peer, line string) { heard <- line }}
	p := protocoltest.NewPair(t, r.spec(), protocoltest.ByHand((&room{}).spec()))
	for _, line := range []string{"good morning", "good evening"} {
		if err := p.B.Send(&Say{Line: line}); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != line {
			t.Errorf("A heard %q, want %q", got, line)
		}
		if err := r.say(line + " to you"); err != nil {
			t.Fatal(err)
		}
		if got := protocoltest.Next[Say](p.B).Line; got != line+" to you" {
			t.Errorf("B heard %q", got)
		}
		p.A.Crash()
	}
	p.Cut()
	p.A.Wait()
	r.links.Range(func(l, _ any) bool {
		t.Errorf("%v is still in the room", l)
		return true
	})
}
