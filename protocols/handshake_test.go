package protocols_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

const network = 7

// greeted is talk with a handshake: status is message 0x05.
func greeted(act func(actor.Context, *protocols.Link), check func(*protocols.Link, *status) error) protocols.Spec {
	s := talk(act)
	v := &s.Versions[0]
	v.Messages = append(v.Messages, protocols.Type[status]())
	v.Handshake = protocols.Exchange(func(l *protocols.Link) status {
		return status{Network: network, Head: []byte(l.Name())}
	}, check)
	s.PeerInfo = func(l *protocols.Link) any { return protocols.StatusOf[status](l).Network }
	return s
}

const statusCode = 5

// journalOf records the types of the messages that an actor gets from the link, in order.
func journalOf(into *[]string, then func(actor.Context, *protocols.Link)) func(actor.Context, *protocols.Link) {
	return func(ctx actor.Context, l *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *protocols.LinkUp:
			*into = append(*into, fmt.Sprintf("up %v %d", msg.Restarted, protocols.StatusOf[status](msg.Link).Network))
		case *protocols.LinkDown:
			*into = append(*into, "down")
		case *ask, *status:
			*into = append(*into, fmt.Sprintf("%T", msg))
		}
		then(ctx, l)
	}
}

// TestHandshake: before the handshake is done only the status passes. Its result is available
// from LinkUp on, also after a restart, and it happens once.
func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delivered []string
		p := protocoltest.NewPair(t, greeted(journalOf(&delivered, idle), nil), hostile())
		if got := p.A.PeerInfo(); got != "handshake" || protocols.StatusOf[status](p.A.Link) != nil {
			t.Errorf("before the handshake, the peer's info is %v, its status %v", got, protocols.StatusOf[status](p.A.Link))
		}
		synctest.Wait()
		ours := protocoltest.Next[protocols.RawMessage](p.B)
		if want := encode(t, &status{Network: network, Head: []byte("talk")}); ours.Code != statusCode || string(ours.Payload) != string(want) {
			t.Errorf("our status is 0x%02x % x", ours.Code, ours.Payload)
		}
		time.Sleep(protocols.DefaultHandshakeTimeout - 1)
		synctest.Wait()
		if len(delivered) > 0 {
			t.Errorf("the actor received %v before the remote's status", delivered)
		}
		send(t, p.B, &protocols.RawMessage{Code: statusCode, Payload: encode(t, &status{Network: 9})})
		send(t, p.B, &protocols.RawMessage{Code: askCode, Payload: encode(t, &ask{})})
		synctest.Wait()
		p.A.Crash()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(delivered); got != "[up false 9 *protocols_test.ask up true 9]" || p.A.Cause() != nil {
			t.Errorf("the actor received %s, cause %v", got, p.A.Cause())
		}
		if got := p.A.PeerInfo(); got != uint64(9) {
			t.Errorf("after the handshake, the peer's info is %v", got)
		}
		if other := protocols.StatusOf[answer](p.A.Link); other != nil {
			t.Errorf("StatusOf with another type returned %v", other)
		}
	})
}

// TestHandshakeEnds: what a remote may do instead of the handshake, and how the link ends.
func TestHandshakeEnds(t *testing.T) {
	good := func(t *testing.T, n uint64) *protocols.RawMessage {
		return &protocols.RawMessage{Code: statusCode, Payload: encode(t, &status{Network: n})}
	}
	const plain, useless = 1, 2
	check := func(_ *protocols.Link, theirs *status) error {
		switch theirs.Network {
		case plain:
			return fmt.Errorf("network %d, want %d", plain, network)
		case useless:
			return fmt.Errorf("%w: network %d", protocols.DiscIncompatibleVersion, useless)
		}
		return nil
	}
	for name, c := range map[string]struct {
		send      func(t *testing.T, b *protocoltest.End)
		reason    protocols.DiscReason
		want      string
		delivered string
	}{
		"silence": {func(*testing.T, *protocoltest.End) {}, protocols.DiscReadTimeout, "no status from the remote in time: waited 5s", "[]"},
		"something else first": {func(t *testing.T, b *protocoltest.End) {
			send(t, b, &protocols.RawMessage{Code: askCode, Payload: encode(t, &ask{})})
		}, protocols.DiscProtocolError, "0x00 of talk/7 came before the status, which is 0x05", "[]"},
		"invalid status": {func(t *testing.T, b *protocoltest.End) {
			send(t, b, &protocols.RawMessage{Code: statusCode, Payload: []byte{0xc0}})
		}, protocols.DiscProtocolError, "too few elements", "[]"},
		"refused":               {func(t *testing.T, b *protocoltest.End) { send(t, b, good(t, plain)) }, protocols.DiscUselessPeer, "network 1, want 7", "[]"},
		"refused with a reason": {func(t *testing.T, b *protocoltest.End) { send(t, b, good(t, useless)) }, protocols.DiscIncompatibleVersion, "network 2", "[]"},
		"twice": {func(t *testing.T, b *protocoltest.End) { send(t, b, good(t, 9)); send(t, b, good(t, 9)) },
			protocols.DiscProtocolError, "a second status 0x05 of talk/7", "[up false 9 down]"},
		"disconnect": {func(_ *testing.T, b *protocoltest.End) { b.Disconnect(protocols.DiscTooManyPeers) }, protocols.DiscTooManyPeers, "", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var delivered []string
				p := protocoltest.NewPair(t, greeted(journalOf(&delivered, idle), check), hostile())
				begin := time.Now()
				c.send(t, p.B)
				cause := p.A.Wait()
				if cause.Reason != c.reason || !strings.Contains(cause.Error(), c.want) || p.A.Restarts() != 0 {
					t.Errorf("ended with %v after %d restarts", cause, p.A.Restarts())
				}
				if took := time.Since(begin); name == "silence" && (took < 5*time.Second || !errors.Is(cause, protocols.ErrHandshakeTimeout)) {
					t.Errorf("the link ended after %v", took)
				}
				if got := fmt.Sprint(delivered); got != c.delivered {
					t.Errorf("the actor received %s, want %s", got, c.delivered)
				}
			})
		})
	}
}

// TestHandshakeCrash: a crash in the handshake's functions happens before the remote notices
// anything. Our status is sent once, and the remote's is not lost.
func TestHandshakeCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delivered []string
		made, judged := 0, 0
		spec := greeted(journalOf(&delivered, idle), nil)
		spec.Versions[0].Handshake = protocols.Exchange(func(*protocols.Link) status {
			if made++; made < 3 {
				panic("ours panics")
			}
			return status{Network: network}
		}, func(_ *protocols.Link, _ *status) error {
			if judged++; judged < 3 {
				panic("check panics")
			}
			return nil
		}).Within(time.Minute)
		p := protocoltest.NewPair(t, spec, hostile())
		time.Sleep(time.Second)
		synctest.Wait()
		send(t, p.B, &protocols.RawMessage{Code: statusCode, Payload: encode(t, &status{Network: 9})})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fmt.Sprint(delivered); made != 3 || judged != 3 || got != "[up false 9]" || p.A.Restarts() != 4 {
			t.Errorf("status made %d times, checked %d times, the actor received %s, %d restarts", made, judged, got, p.A.Restarts())
		}
		protocoltest.Next[protocols.RawMessage](p.B)
		send(t, p.A, &answer{})
		if next := protocoltest.Next[protocols.RawMessage](p.B); next.Code != answerCode {
			t.Errorf("message 0x%02x arrived after our status", next.Code)
		}
	})
}

// TestHandshakeOfVersions: each version has its own status, or none.
func TestHandshakeOfVersions(t *testing.T) {
	only := func(numbers ...uint) protocols.Spec {
		s := specOf()
		s.Versions = nil
		for _, n := range numbers {
			v := protocols.Version{Number: n, Length: 3, Messages: []protocols.Message{protocols.Type[ask](), protocols.Type[answer]()}}
			switch n {
			case 2:
				v.Messages = append(v.Messages, protocols.Type[status]())
				v.Handshake = protocols.Exchange(func(*protocols.Link) status { return status{Network: 2} }, nil)
			case 3:
				v.Messages = append(v.Messages, protocols.Type[detailed]())
				v.Handshake = protocols.Exchange(func(*protocols.Link) detailed { return detailed{N: 3} }, nil)
			}
			s.Versions = append(s.Versions, v)
		}
		return s
	}
	up := make(chan string, 1)
	all := only(1, 2, 3)
	all.New = talk(func(ctx actor.Context, l *protocols.Link) {
		if _, ok := ctx.Message().(*protocols.LinkUp); ok {
			up <- fmt.Sprint(l.Version(), protocols.StatusOf[status](l), protocols.StatusOf[detailed](l))
		}
	}).New
	for n, want := range map[uint]string{1: "1 <nil> <nil>", 2: "2 &{2 [] 0} <nil>", 3: "3 <nil> &{3 }"} {
		p := protocoltest.NewPair(t, all, only(n))
		if got := next(t, up, p.A); got != want {
			t.Errorf("version %d starts with %s, want %s", n, got, want)
		}
	}
}
