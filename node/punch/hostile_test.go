package punch_test

import (
	"maps"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
)

// The messages of docs/hole-punching.md, encoded independently of the package.

func request(kind byte, list ...any) []byte {
	b, err := rlp.EncodeToBytes(list)
	if err != nil {
		panic(err)
	}
	return append([]byte{kind}, b...)
}

// answer encodes an answer, which has no kind.
func answer(list ...any) []byte { return request(0, list...)[1:] }

func endpointOf(at netip.AddrPort) []any { return []any{at.Addr().AsSlice(), at.Port()} }

func helloRequest(n *enode.Node) []byte { return request(1, n.Record(), uint8(0)) }

func callRequest(target enode.ID, n byte) []byte {
	return request(2, target, [12]byte{n}, make([]byte, 24))
}

func ringRequest(caller enode.ID, at netip.AddrPort, n byte) []byte {
	return request(3, caller, endpointOf(at), [12]byte{n})
}

// statusOf reads the status, the first element of an answer.
func statusOf(t *testing.T, answer []byte) uint {
	t.Helper()
	var list struct {
		Status uint
		Rest   []rlp.RawValue `rlp:"tail"`
	}
	if err := rlp.DecodeBytes(answer, &list); err != nil {
		t.Fatalf("answer %x: %v", answer, err)
	}
	return list.Status
}

const (
	statusYes = iota
	statusUnknown
	statusTooMuch
	statusRefused
	statusNotReady
	_
	statusOtherWay
)

// at returns the endpoint of a host with a public address.
func (h *host) at() netip.AddrPort { return netip.AddrPortFrom(h.ip, hostPort) }

func TestRingIsNoLargerThanCall(t *testing.T) {
	v6 := netip.MustParseAddrPort("[2001:db8::1]:65535")
	if c, r := len(callRequest(enode.ID{1}, 1)), len(ringRequest(enode.ID{1}, v6, 1)); r > c {
		t.Errorf("a CALL of %d bytes causes a RING of %d", c, r)
	}
}

// A neighbour that names a victim again and again makes a node send no more datagrams than
// docs/hole-punching.md says. A neighbour that the node did not choose makes it send nothing.
func TestLyingNeighbour(t *testing.T) {
	inWorld(t, func(w *world) {
		relay, stranger := w.add(public, "30.1.1.10"), w.add(public, "30.3.3.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		victim := netip.MustParseAddrPort("30.9.9.9:53")
		for i := range 1000 {
			b.service.Handle(stranger.self(), stranger.at(), ringRequest(stranger.id(), victim, byte(i)))
		}
		if n := b.strayed(); n != 0 {
			t.Errorf("a neighbour that was not chosen caused %d datagrams", n)
		}
		for i := range 1000 {
			b.service.Handle(relay.self(), relay.at(), ringRequest(stranger.id(), victim, byte(i)))
		}
		if n := b.strayed(); n == 0 || n > 20 {
			t.Errorf("the victim got %d datagrams, want 1 to 20", n)
		}
		for i := range 1000 { // another victim each time
			b.service.Handle(relay.self(), relay.at(), ringRequest(stranger.id(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, 9, byte(i >> 8), byte(i)}), 53), byte(i)))
		}
		if n := b.strayed(); n > 60 {
			t.Errorf("the victims got %d datagrams, want at most 60", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := b.service.State().Refused; n == 0 {
			t.Error("no message is counted as refused")
		}
	})
}

// tokenOf returns the token of a CALL.
func tokenOf(request []byte) []byte {
	var list struct {
		Target enode.ID
		Token  []byte
		Rest   []rlp.RawValue `rlp:"tail"`
	}
	if err := rlp.DecodeBytes(request[1:], &list); err != nil {
		panic(err)
	}
	return list.Token
}

// strayed returns how many datagrams went to addresses without a host.
func (h *host) strayed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, sent := range h.stray {
		n += sent
	}
	return n
}

// A relay names only endpoints that it sees itself, rings only nodes in its table, and limits the rings to each.
func TestRelayIsNoTool(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		caller := w.add(public, "30.3.3.10", relay)
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		private, apart := w.host(public, "192.168.1.10"), w.host(public, "30.5.5.10")
		relay.Learn(private.self())
		relay.Learn(enode.NewV4(&apart.key.PublicKey, apart.ip.AsSlice(), hostPort, hostPort))
		for _, tc := range []struct {
			name   string
			target enode.ID
			want   uint
		}{
			{"a node that the relay does not know", enode.ID{1}, statusUnknown},
			{"the caller", caller.id(), statusUnknown},
			{"the relay", relay.id(), statusUnknown},
			{"a node at a private address", private.id(), statusUnknown},
			{"a node that does not take part", apart.id(), statusUnknown},
			{"a node that said HELLO to the relay", b.id(), statusYes},
		} {
			if got := statusOf(t, relay.service.Handle(caller.self(), caller.at(), callRequest(tc.target, 1))); got != tc.want {
				t.Errorf("%s: status %d, want %d", tc.name, got, tc.want)
			}
		}
		rung := 0
		for i := range 100 {
			if statusOf(t, relay.service.Handle(caller.self(), caller.at(), callRequest(b.id(), byte(i)))) == statusYes {
				rung++
			}
		}
		if rung > 30 {
			t.Errorf("%d rings in a minute, want at most 30", rung)
		}
		short := request(2, b.id(), [12]byte{1}, []byte{})
		if got := statusOf(t, relay.service.Handle(caller.self(), caller.at(), short)); got != statusRefused {
			t.Errorf("a CALL smaller than the RING: status %d", got)
		}
		time.Sleep(time.Minute)
	})
}

// A node at an endpoint that is not public gets no answer, unless Config.Private is set.
func TestPrivateEndpointsTakeNoPart(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		for _, from := range []string{"127.0.0.1:30303", "192.168.1.2:30303", "10.1.1.1:30303", "100.64.1.1:30303", "[fe80::1]:30303", "0.0.0.0:1"} {
			if got := relay.service.Handle(relay.self(), netip.MustParseAddrPort(from), helloRequest(relay.self())); len(got) > 0 {
				t.Errorf("a request from %s got an answer", from)
			}
		}
	})
}

// Nothing is sent to an endpoint that is not public, whether a record, a RING, a relay's answer or an opener names it.
func TestPrivateEndpointsGetNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		relay, caller := w.add(public, "30.1.1.10"), w.add(public, "30.3.3.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		b.mu.Lock()
		b.pinged = nil
		b.mu.Unlock()
		if r := <-w.reach(b, w.host(public, "192.168.1.10")); r.Conn != nil {
			t.Error("the call has a connection")
		}
		nowhere, lies := netip.MustParseAddrPort("30.9.9.9:9"), 0
		for _, to := range []string{"127.0.0.1:53", "192.168.1.2:53", "10.1.1.1:53", "100.64.1.1:53", "[fe80::1]:53", "255.255.255.255:53", "224.0.0.1:53", "240.0.0.1:53", "[64:ff9b::a01:101]:53", "[64:ff9b:1::a01:101]:53", "[::7f00:1]:53"} {
			at := netip.MustParseAddrPort(to)
			if got := statusOf(t, b.service.Handle(relay.self(), relay.at(), ringRequest(caller.id(), at, 1))); got != statusRefused {
				t.Errorf("RING that names %s: status %d", to, got)
			}
			relay.mu.Lock()
			relay.lie = func(request []byte) []byte {
				if request[0] != 2 {
					return nil
				}
				opener := append([]byte{0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42}, tokenOf(request)...)
				if !b.service.Sniff(opener, at) {
					t.Errorf("an opener from %v was left to discovery", at)
				}
				if lies++; lies%2 == 0 {
					return answer(uint8(0), endpointOf(nowhere))
				}
				return answer(uint8(0), endpointOf(at))
			}
			relay.mu.Unlock()
			if r := <-w.reach(b, w.host(public, "30.5.5.10")); r.Conn != nil {
				t.Error("the call has a connection")
			}
		}
		b.mu.Lock()
		stray := maps.Clone(b.stray)
		b.mu.Unlock()
		delete(stray, nowhere)
		delete(stray, netip.MustParseAddrPort("30.5.5.10:30303")) // the target's record
		if len(stray) != 0 {
			t.Errorf("datagrams were sent to %v", stray)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.pinged) == 0 {
			t.Error("nothing was pinged")
		}
		for _, at := range b.pinged {
			if at != nowhere {
				t.Errorf("%v was pinged", at)
			}
		}
	})
}

// A banned node gets no answer, no relayed call, and no opener.
func TestBannedAreRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		bad, good := w.add(public, "30.3.3.10", relay), w.add(public, "30.4.4.10", relay)
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		for _, h := range []*host{relay, b} {
			h.mu.Lock()
			h.banned = bad
			h.mu.Unlock()
		}
		if got := relay.service.Handle(bad.self(), bad.at(), helloRequest(bad.self())); len(got) > 0 {
			t.Errorf("HELLO got %x", got)
		}
		if got := statusOf(t, relay.service.Handle(good.self(), good.at(), callRequest(bad.id(), 1))); got != statusUnknown {
			t.Errorf("CALL for the banned node got status %d", got)
		}
		for _, at := range []netip.AddrPort{bad.at(), good.at()} { // the node may have moved
			if got := statusOf(t, b.service.Handle(relay.self(), relay.at(), ringRequest(bad.id(), at, 1))); got != statusRefused {
				t.Errorf("RING for the banned node at %v got status %d", at, got)
			}
		}
		if got := statusOf(t, b.service.Handle(relay.self(), relay.at(), ringRequest(good.id(), bad.at(), 1))); got != statusRefused {
			t.Errorf("RING for another node at the banned address got status %d", got)
		}
	})
}

// The record in HELLO is added to the table only if the session proves it.
func TestHelloProvesTheEndpoint(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		honest, liar := w.add(public, "30.3.3.10"), w.add(public, "30.4.4.10")
		elsewhere := netip.MustParseAddrPort("30.5.5.10:30303")
		for _, tc := range []struct {
			name    string
			from    *host
			at      netip.AddrPort
			record  *enode.Node
			answers bool
			learned bool
		}{
			{"the record of another node", liar, liar.at(), honest.self(), false, false},
			{"a record with another endpoint", liar, elsewhere, liar.self(), true, false},
			{"a true record", honest, honest.at(), honest.self(), true, true},
		} {
			got := relay.service.Handle(tc.from.self(), tc.at, helloRequest(tc.record))
			if answers := len(got) > 0; answers != tc.answers {
				t.Errorf("%s: answered: %v", tc.name, answers)
			}
			if learned := relay.Known(tc.record.ID()) != nil; learned != tc.learned {
				t.Errorf("%s: learned: %v", tc.name, learned)
			}
		}
	})
}

// A flood of CALLs at the same time causes no more rings than the limit, and each CALL gets an answer.
func TestFloodOfCalls(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		caller := w.add(public, "30.3.3.10", relay)
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		var all sync.WaitGroup
		for i := range 2000 {
			all.Go(func() {
				if got := relay.service.Handle(caller.self(), caller.at(), callRequest(b.id(), byte(i))); len(got) > 64 {
					t.Errorf("an answer of %d bytes", len(got))
				}
			})
		}
		all.Wait()
		if s := relay.service.State(); s.Relayed > 30 || s.Refused < 1900 {
			t.Errorf("%d relayed, %d refused", s.Relayed, s.Refused)
		}
	})
}

func FuzzHandle(f *testing.F) {
	id := enode.ID{1}
	at := netip.MustParseAddrPort("30.1.1.10:30303")
	for _, b := range [][]byte{nil, {1}, {9, 0xc0}, callRequest(id, 1), ringRequest(id, at, 1), request(4, [12]byte{1}, uint16(30303), uint8(2), uint16(300)), request(1, "no record", uint8(1))} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &world{t: t}
		h := w.host(public, "30.1.1.11")
		if got := h.service.Handle(h.self(), at, b); len(got) > 128 {
			t.Errorf("%x: an answer of %d bytes", b, len(got))
		}
		h.service.Sniff(b, at)
	})
}
