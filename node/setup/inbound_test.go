package setup

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/nat/stun"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/refusal"
)

func TestAnswerSTUN(t *testing.T) {
	id := stun.NewID()
	request := stun.Request(id)
	for _, tt := range []struct {
		name        string
		began, rest []byte
		want        bool
	}{
		{"in one piece", request, nil, true},
		{"in two pieces", request[:2], request[2:], true},
		{"more bytes after the request", append(bytes.Clone(request), 0), nil, false},
		{"not STUN", append([]byte{0, 0}, request[2:]...), nil, false},
		{"another message", append([]byte{0, 1, 0, 4}, request[4:]...), nil, false},
		{"incomplete", request[:2], request[2:19], false},
	} {
		near, theirs := net.Pipe()
		ours := placedConn{near, netip.MustParseAddrPort("198.51.100.7:4000")}
		answered := make(chan bool, 1)
		go func() {
			answered <- answerSTUN(ours, tt.began)
			ours.Close()
		}()
		if len(tt.rest) > 0 {
			if _, err := theirs.Write(tt.rest); err != nil {
				t.Fatal(err)
			}
		}
		if tt.name == "incomplete" {
			theirs.Close()
		}
		answer, err := io.ReadAll(theirs)
		if got := <-answered; got != tt.want || got && err != nil || !got && len(answer) > 0 {
			t.Errorf("%s: %v, % x, %v", tt.name, got, answer, err)
		}
		if to, seen, err := stun.ParseResponse(answer); tt.want && (err != nil || to != id || seen.String() != "198.51.100.7:4000") {
			t.Errorf("%s: %v, %v", tt.name, seen, err)
		}
		theirs.Close()
	}
}

// TestPunchedIsAccepted: a node that called is accepted although its address has connected just
// before, and the peer is marked as punched. CameIn is not called for it.
func TestPunchedIsAccepted(t *testing.T) {
	s := newStage(t, nil)
	if _, err := s.greet(s.accept("198.51.100.7:1")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.greet(s.accept("198.51.100.7:2")); err == nil {
		t.Fatal("the address was not throttled")
	}
	for range 2 {
		if from := <-s.cameIn; from.String() != "198.51.100.7" {
			t.Errorf("CameIn called with %v", from)
		}
	}
	id, err := s.greet(s.callIn("198.51.100.7:3"))
	if err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "two peers", func() bool { return s.pool.Table.Size() == 2 })
	for _, m := range s.pool.Table.Snapshot() {
		if m.Punched != (m.ID == id) || !m.Inbound {
			t.Errorf("%v: punched %v, inbound %v", m.Addr, m.Punched, m.Inbound)
		}
	}
	if len(s.cameIn) != 0 {
		t.Error("CameIn called for a punched connection")
	}
	actortest.Eventually(t, "all credits are back", func() bool { return len(s.pool.Intake.credits) == 0 })
	if st := s.pool.State(); st.Accepted != 3 || st.Refused != 1 || st.Established != 2 || st.Punched != 1 || st.Inbound != 0 {
		t.Errorf("state %+v", st)
	}
}

func TestPunchedIsRejected(t *testing.T) {
	for name, tt := range map[string]struct {
		edit   func(*Config)
		before func(s *stage)
		want   error // nil: Failed is not called
	}{
		"outside the allowed networks": {func(c *Config) { c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, nil, refusal.ErrNotAllowed},
		"banned": {nil, func(s *stage) {
			s.pool.Ledger.Ban(bans.Target{Net: netip.MustParsePrefix("198.51.100.7/32")}, time.Hour, "test")
		}, refusal.ErrBanned},
		"too many wait": {nil, func(s *stage) {
			for len(s.pool.Intake.credits) < maxWaiting {
				s.pool.Intake.Credits() <- struct{}{}
			}
		}, nil},
		"stopping": {nil, func(s *stage) { s.pool.Table.Close() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, tt.edit)
			if tt.before != nil {
				tt.before(s)
			}
			theirs := s.callIn("198.51.100.7:3")
			if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection: %v", err)
			}
			if tt.want == nil {
				return
			}
			if f := s.failure(); !errors.Is(f.Err, tt.want) || f.Remote.String() != "198.51.100.7:3" || !f.Inbound {
				t.Errorf("failed with %+v, want %v", f, tt.want)
			}
		})
	}
}

// TestPunchedSlotsAreLimited: silent callers can take only their share of the slots. A caller
// that waits gets a slot when one is free.
func TestPunchedSlotsAreLimited(t *testing.T) {
	s := newStage(t, func(c *Config) { c.MaxPending = 8 })
	silent := s.callIn("198.51.100.7:1")
	patient := s.callIn("198.51.100.7:2")
	if _, err := s.greet(s.accept("198.51.100.8:1")); err != nil {
		t.Errorf("a stranger: %v", err)
	}
	if err := patient.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := patient.Write([]byte{1}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("more callers than allowed have a handshake: %v", err)
	}
	silent.Close()
	if _, err := s.greet(patient); err != nil {
		t.Errorf("the caller that waited: %v", err)
	}
}

// TestAnnouncedIsAccepted: one announced connection is accepted although its address
// has connected just before.
func TestAnnouncedIsAccepted(t *testing.T) {
	s := newStage(t, nil)
	if _, err := s.greet(s.accept("198.51.100.7:1")); err != nil {
		t.Fatal(err)
	}
	s.port.Await(netip.MustParseAddr("198.51.100.7"))
	seen, err := stun.Ask(s.accept("198.51.100.7:2"))
	if err != nil || seen.String() != "198.51.100.7:2" {
		t.Errorf("seen as %v, %v", seen, err)
	}
	if _, err := stun.Ask(s.accept("198.51.100.7:3")); err == nil {
		t.Error("the address is no longer throttled")
	}
	if _, err := s.greet(s.accept("198.51.100.8:1")); err != nil {
		t.Errorf("a stranger: %v", err)
	}
}
