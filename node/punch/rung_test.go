package punch_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/punch"
)

func openRequest(n byte) []byte {
	return request(4, [12]byte{n}, uint16(hostPort), uint8(2), uint16(300))
}

// OPEN is for those whom a neighbour of ours rang us for, in the call that it is about.
func TestOpenWithoutRing(t *testing.T) {
	inWorld(t, func(w *world) {
		relay, caller := w.add(public, "30.1.1.10"), w.add(public, "30.3.3.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		settle()
		open := func(n byte) uint {
			return statusOf(t, b.service.Handle(caller.self(), caller.at(), openRequest(n)))
		}
		ring := func(n byte) {
			if got := statusOf(t, b.service.Handle(relay.self(), relay.at(), ringRequest(caller.id(), caller.at(), n))); got != statusYes {
				t.Fatalf("RING: status %d", got)
			}
		}
		expect := func(when string, n byte, want uint) {
			if got := open(n); got != want {
				t.Errorf("%s: OPEN got status %d, want %d", when, got, want)
			}
		}
		expect("without RING", 1, statusRefused)
		b.service.Handle(caller.self(), caller.at(), ringRequest(caller.id(), caller.at(), 1))
		expect("rung by itself", 1, statusRefused)
		ring(1)
		expect("with a token that it can't know", 2, statusRefused)
		time.Sleep(10 * time.Second)
		ring(2)
		expect("of a call before", 1, statusRefused)
		time.Sleep(10 * time.Second)
		expect("late in the second call", 2, statusYes)
		expect("again, as the answer was lost", 2, statusYes)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect("long after", 2, statusRefused)
	})
}

// Answers are for so many at a time; more are told to come later.
func TestAnswersAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		settle()
		const most = 16
		for i := range byte(most + 1) {
			caller := w.host(public, "30.3.3."+string(rune('0'+i%10)))
			b.service.Handle(relay.self(), relay.at(), ringRequest(caller.id(), caller.at(), i))
			time.Sleep(time.Millisecond)
			want := uint(statusNotReady)
			if i == most {
				want = statusTooMuch
			}
			if got := statusOf(t, b.service.Handle(caller.self(), caller.at(), openRequest(i))); got != want {
				t.Errorf("caller %d: status %d, want %d", i, got, want)
			}
		}
	})
}

// A relay that says yes and rings nobody keeps no call from coming through where another one is
// honest, whichever is asked first.
func TestRelayThatRingsNobody(t *testing.T) {
	for _, liar := range []int{0, 1} {
		inWorld(t, func(w *world) {
			relays := []*host{w.add(public, "30.1.1.10"), w.add(public, "30.2.2.10")}
			a, b := w.add(portrestricted, "30.10.10.1", relays...), w.add(portrestricted, "30.20.20.1", relays...)
			settle()
			where := b.service.State().Observed
			relays[liar].mu.Lock()
			relays[liar].lie = func(request []byte) []byte {
				if request[0] != 2 {
					return nil
				}
				return answer(uint8(0), endpointOf(where))
			}
			relays[liar].mu.Unlock()
			r := <-w.reach(a, b)
			if r.Err != nil {
				t.Fatalf("liar %d: %v", liar, r.Err)
			}
			talk(t, r.Conn.Take(), <-b.in)
		})
	}
}

// Of many such neighbours few are asked at a time.
func TestManyURLs(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.host(portrestricted, "30.20.20.1")
		for range 40 {
			other := w.host(public, "30.9.9.9")
			h.table[other.id()] = enode.NewV4(&other.key.PublicKey, other.ip.AsSlice(), hostPort, hostPort)
		}
		h.pid = w.system.Root.Spawn(h.service.Props())
		w.mu.Lock()
		w.hosts[h.ip] = h
		w.mu.Unlock()
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.asked != 16 {
			t.Errorf("%d are asked at the same time", h.asked)
		}
	})
}

// A node that doesn't know where it is asks whoever says HELLO, but not all of them.
func TestManyGreet(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.add(portrestricted, "30.20.20.1")
		settle()
		for half := range 4 {
			for range 50 {
				other := w.host(public, "30.9.9.9")
				h.service.Handle(other.self(), other.at(), helloRequest(other.self()))
			}
			synctest.Wait()
			h.mu.Lock()
			if len(h.pinged) != half+1 {
				t.Errorf("%d were asked in %d half seconds", len(h.pinged), half+1)
			}
			h.mu.Unlock()
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
	})
}

// A relay that says of all targets that they are at one address has our calls send no more there
// than the document says.
func TestRelayNamesAVictim(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		settle()
		victim := netip.MustParseAddrPort("30.9.9.9:53")
		relay.mu.Lock()
		relay.lie = func(request []byte) []byte {
			if request[0] != 2 {
				return nil
			}
			return answer(uint8(0), endpointOf(victim))
		}
		relay.mu.Unlock()
		b.mu.Lock()
		b.pinged = nil
		b.mu.Unlock()
		began, calls := time.Now(), 0
		for time.Since(began) < 50*time.Second {
			var under []<-chan *punch.Reached
			for range 8 {
				under = append(under, w.reach(b, w.host(public, "30.5.5.10")))
			}
			for _, got := range under {
				<-got
				calls++
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if n := b.stray[victim] + len(b.pinged); n != 60 {
			t.Errorf("%d datagrams in %d calls, want 60", n, calls)
		}
	})
}

// Of two nodes whose calls cross when both have a session, that of the lower ID goes on.
func TestWhoseCallGoesOn(t *testing.T) {
	lower, higher := 0, 0
	for lower == 0 || higher == 0 {
		inWorld(t, func(w *world) {
			relay := w.add(public, "30.1.1.10")
			a, b := w.add(restricted, "30.10.10.1", relay), w.add(restricted, "30.20.20.1", relay)
			settle()
			b.mu.Lock()
			b.lie = func(request []byte) []byte {
				if request[0] != 4 {
					return nil
				}
				return answer(uint8(4), uint16(0), uint8(0)) // not ready: a's call waits
			}
			b.mu.Unlock()
			got := w.reach(a, b)
			time.Sleep(time.Second)
			from := b.service.State().Observed
			a.service.Handle(relay.self(), relay.at(), ringRequest(b.id(), from, 1))
			status := statusOf(t, a.service.Handle(b.self(), from, openRequest(1)))
			x, y := a.id(), b.id()
			if bytes.Compare(x[:], y[:]) < 0 {
				lower++
				if status != statusOtherWay {
					t.Errorf("the lower ID answers OPEN with status %d", status)
				}
				return
			}
			higher++
			if status == statusOtherWay {
				t.Error("the higher ID goes on")
			}
			if r := <-got; !errors.Is(r.Err, punch.ErrCrossed) {
				t.Errorf("its call ended with %v", r.Err)
			}
		})
	}
}

// A neighbour of which nothing but a URL is known, and which is out of reach, isn't asked
// without end.
func TestNeighbourOutOfReach(t *testing.T) {
	inWorld(t, func(w *world) {
		nowhere := w.host(public, "30.9.9.9")
		h := w.host(portrestricted, "30.20.20.1")
		h.table[nowhere.id()] = enode.NewV4(&nowhere.key.PublicKey, nil, 0, 0)
		h.pid = w.system.Root.Spawn(h.service.Props())
		w.mu.Lock()
		w.hosts[h.ip] = h
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.asked < 2 || h.asked > 21 {
			t.Errorf("asked for its record %d times in ten seconds", h.asked)
		}
	})
}
