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

// OPEN is accepted only from a node for which a chosen neighbour rang, and only with the token of that RING.
func TestOpenWithoutRing(t *testing.T) {
	inWorld(t, func(w *world) {
		relay, caller := w.add(public, "30.1.1.10"), w.add(public, "30.3.3.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
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
		expect("after a RING from the caller itself", 1, statusRefused)
		ring(1)
		expect("with a wrong token", 2, statusRefused)
		time.Sleep(10 * time.Second)
		ring(2)
		expect("with the token of an earlier call", 1, statusRefused)
		time.Sleep(10 * time.Second)
		expect("late in the second call", 2, statusYes)
		expect("repeated because the answer was lost", 2, statusYes)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect("after the call has ended", 2, statusRefused)
	})
}

// The number of answers at a time is limited. More callers are asked to try again later.
func TestAnswersAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
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

// A relay that says yes without ringing does not prevent a call if another relay is honest, whichever is asked first.
func TestRelayThatDoesNotRing(t *testing.T) {
	for _, liar := range []int{0, 1} {
		inWorld(t, func(w *world) {
			relays := []*host{w.add(public, "30.1.1.10"), w.add(public, "30.2.2.10")}
			a, b := w.add(portrestricted, "30.10.10.1", relays...), w.add(portrestricted, "30.20.20.1", relays...)
			stabilise()
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

// Of many neighbours that are known by URL only, few are asked for their records at a time.
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
			t.Errorf("%d are asked at the same time, want 16", h.asked)
		}
	})
}

// A node that does not know its endpoint asks nodes that say HELLO, but not all of them.
func TestManyHellos(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.add(portrestricted, "30.20.20.1")
		stabilise()
		for half := range 4 {
			for range 50 {
				other := w.host(public, "30.9.9.9")
				h.service.Handle(other.self(), other.at(), helloRequest(other.self()))
			}
			synctest.Wait()
			h.mu.Lock()
			if len(h.pinged) != half+1 {
				t.Errorf("%d nodes were asked in %d half seconds", len(h.pinged), half+1)
			}
			h.mu.Unlock()
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
	})
}

// A relay that names one address for all targets makes a node's calls send no more datagrams there than
// docs/hole-punching.md says.
func TestRelayNamesAVictim(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		b := w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
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

// If two nodes call each other and both have a session, the call of the node with the lower ID continues.
func TestWhichCallContinues(t *testing.T) {
	lower, higher := 0, 0
	for lower == 0 || higher == 0 {
		inWorld(t, func(w *world) {
			relay := w.add(public, "30.1.1.10")
			a, b := w.add(restricted, "30.10.10.1", relay), w.add(restricted, "30.20.20.1", relay)
			stabilise()
			b.mu.Lock()
			b.lie = func(request []byte) []byte {
				if request[0] != 4 {
					return nil
				}
				return answer(uint8(4), uint16(0), uint8(0)) // not ready, so that a's call waits
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
					t.Errorf("the node with the lower ID answered OPEN with status %d", status)
				}
				return
			}
			higher++
			if status == statusOtherWay {
				t.Error("the call of the node with the higher ID continues")
			}
			if r := <-got; !errors.Is(r.Err, punch.ErrCrossed) {
				t.Errorf("the call of the node with the higher ID ended with %v", r.Err)
			}
		})
	}
}

// A neighbour that is known by URL only and cannot be reached is not asked for its record without limit.
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
			t.Errorf("the neighbour was asked for its record %d times in ten seconds, want 2 to 21", h.asked)
		}
	})
}
