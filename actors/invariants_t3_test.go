package actors

import "testing"

// TestT3StaleReturnSaysNothing: the return of an earlier grant does not bring home the one that
// is out, and puts no child in line.
func TestT3StaleReturnSaysNothing(t *testing.T) {
	a := arbiter{writer: new(frameWriter)}
	grant := func(s slot) *WriteToken {
		t.Helper()
		a.request(s)
		tok := a.grant()
		if tok == nil || tok.holder != s || !tok.begin() {
			t.Fatalf("the grant for %d is %+v", s, tok)
		}
		return tok
	}
	stale := grant(firstProtocolSlot).end(nil, true)
	if !a.accept(stale) {
		t.Fatal("the return was not accepted")
	}
	a.queue = nil // its holder asked anew, and has left
	out := grant(firstProtocolSlot + 1)
	if a.accept(stale) {
		t.Error("a stale return was accepted")
	}
	if a.out != out || len(a.queue) != 0 {
		t.Errorf("after a stale return %+v is out and %v wait", a.out, a.queue)
	}
	a.request(firstProtocolSlot)
	if next := a.grant(); next != nil {
		t.Errorf("granted to %d while %d writes", next.holder, out.holder)
	}
	if !a.accept(out.end(nil, false)) {
		t.Error("the return of the token that is out was not accepted")
	}
}
