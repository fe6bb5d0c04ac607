package troupe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// The traffic of a conversation: enough small messages to fill buffers many times,
// and the largest that fit.
var (
	largestPlain   = 1<<24 - 1  // 16 MiB - 1, if it compresses
	largestOnWire  = 16_776_442 // of bytes that don't compress, with a one-byte code
	smallMessages  = unlessRace(20_000, 2_000)
	mediumMessages = 20
	mediumSize     = 1<<20 + 1
)

// payloads gives what each side of a conversation sends, as RLP: the sequence is
// the same wherever it is made. The second conversation of a link is shorter.
func payloads(seed uint64) func(yield func([]byte) bool) {
	small := smallMessages
	if seed > 2 {
		small /= 10
	}
	return func(yield func([]byte) bool) {
		random := rand.NewChaCha8(sha256.Sum256(binary.BigEndian.AppendUint64(nil, seed)))
		sizes := rand.New(random)
		noise := func(n int) []byte {
			b := make([]byte, n)
			random.Read(b)
			return b
		}
		for i := range small {
			size := sizes.IntN(1 << 16)
			if i%2 == 0 {
				size = sizes.IntN(200)
			}
			if !yield(rlpString(noise(size))) {
				return
			}
		}
		for range mediumMessages {
			if !yield(rlpString(noise(mediumSize))) {
				return
			}
		}
		// The header of an RLP string this long takes four bytes.
		if !yield(rlpString(bytes.Repeat([]byte("troupe!"), largestPlain/7+1)[:largestPlain-4])) {
			return
		}
		yield(rlpString(noise(largestOnWire - 4)))
	}
}

func rlpString(b []byte) []byte {
	enc, err := rlp.EncodeToBytes(b)
	if err != nil {
		panic(err)
	}
	return enc
}

// gethTalk is go-ethereum's side: it sends its payloads and checks ours, both at
// once.
func gethTalk(name string, mine, theirs uint64, result chan<- error) p2p.Protocol {
	return p2p.Protocol{Name: name, Version: 1, Length: 2, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		sent := make(chan error, 1)
		go func() {
			for payload := range payloads(mine) {
				if err := rw.WriteMsg(p2p.Msg{Code: 1, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		err := gethReceive(rw, theirs)
		if err == nil {
			err = <-sent
		}
		result <- err
		for { // until the link ends
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			if err := msg.Discard(); err != nil {
				return err
			}
		}
	}}
}

func gethReceive(rw p2p.MsgReadWriter, seed uint64) error {
	n := 0
	for want := range payloads(seed) {
		msg, err := rw.ReadMsg()
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		got, err := io.ReadAll(msg.Payload)
		if err != nil {
			return err
		}
		if msg.Code != 1 || !bytes.Equal(got, want) {
			return fmt.Errorf("message %d: code %d, %d bytes, not the %d expected", n, msg.Code, len(got), len(want))
		}
		n++
	}
	return nil
}

// talk is our side of the same.
type talk struct {
	mine   uint64
	next   func() ([]byte, bool)
	stop   func()
	want   []byte // the message that comes next
	got    int
	over   bool
	room   chan struct{} // the outbox has drained
	result chan<- error
}

func talkSpec(name string, mine, theirs uint64, result chan<- error) protocols.Spec {
	return protocols.Spec{
		Name: name,
		Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
			protocols.Ignore(), protocols.Raw(),
		}}},
		New: func() actor.Actor {
			t := &talk{mine: mine, result: result, room: make(chan struct{}, 1)}
			t.next, t.stop = iter.Pull(payloads(theirs))
			return t
		},
	}
}

func (t *talk) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		t.expect()
		go t.send(msg.Link)
	case *protocols.RawMessage:
		t.receive(msg)
	case *protocols.Drained:
		t.room <- struct{}{}
	case *protocols.LinkDown:
		t.stop()
	}
}

// send speaks while the actor listens, as go-ethereum's side does.
func (t *talk) send(link *protocols.Link) {
	for payload := range payloads(t.mine) {
		for {
			err := link.Send(&protocols.RawMessage{Code: 1, Payload: payload})
			if err == nil {
				break
			}
			if err != protocols.ErrOutboxFull {
				t.result <- err
				return
			}
			select {
			case <-t.room:
			case <-link.Context().Done():
				return
			}
		}
	}
}

func (t *talk) receive(msg *protocols.RawMessage) {
	if t.over {
		return
	}
	if !bytes.Equal(msg.Payload, t.want) {
		t.result <- fmt.Errorf("message %d: %d bytes, not the %d expected", t.got, len(msg.Payload), len(t.want))
		t.over = true
		return
	}
	t.got++
	t.expect()
}

// expect makes the next message ready, or tells that all have come.
func (t *talk) expect() {
	var ok bool
	if t.want, ok = t.next(); !ok {
		t.over = true
		t.result <- nil
	}
}

func startGeth(t *testing.T, ps ...p2p.Protocol) *p2p.Server {
	t.Helper()
	srv := &p2p.Server{Config: p2p.Config{
		PrivateKey: newKey(t), MaxPeers: 10, NoDiscovery: true, Name: "geth", ListenAddr: "127.0.0.1:0",
		Protocols: ps, Logger: log.NewLogger(log.DiscardHandler()),
	}}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return srv
}

// gethNode is the address of a go-ethereum server.
func gethNode(srv *p2p.Server) *enode.Node {
	_, port, _ := net.SplitHostPort(srv.ListenAddr)
	var p int
	fmt.Sscan(port, &p)
	return enode.NewV4(&srv.PrivateKey.PublicKey, net.IPv4(127, 0, 0, 1), p, p)
}

// A go-ethereum node and ours talk over two protocols at once, whoever dials.
func TestGethConversation(t *testing.T) {
	for _, theyDial := range []bool{true, false} {
		t.Run(map[bool]string{true: "they dial", false: "we dial"}[theyDial], func(t *testing.T) {
			theirs, ours := make(chan error, 2), make(chan error, 2)
			srv := startGeth(t, gethTalk("talk", 1, 2, theirs), gethTalk("words", 3, 4, theirs))
			n := startNode(t, func(c *node.Config) {
				c.Specs = []protocols.Spec{talkSpec("talk", 2, 1, ours), talkSpec("words", 4, 3, ours)}
			})
			if theyDial {
				srv.AddPeer(n.Self())
			} else if err := n.AddPeer(gethNode(srv)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := within(t, theirs); err != nil {
					t.Errorf("go-ethereum's side: %v", err)
				}
				if err := within(t, ours); err != nil {
					t.Errorf("our side: %v", err)
				}
			}
		})
	}
}

// Why a link ends arrives at the other side, both ways.
func TestGethDisconnectReasons(t *testing.T) {
	quiet := func(name string, reason chan p2p.DiscReason) p2p.Protocol {
		return p2p.Protocol{Name: name, Version: 1, Length: 2, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
			if r, ok := <-reason; ok {
				return r
			}
			_, err := rw.ReadMsg()
			return err
		}}
	}
	spec := talkSpec("quiet", 0, 0, nil)
	spec.New = func() actor.Actor { return listener{} }

	t.Run("theirs", func(t *testing.T) {
		reason := make(chan p2p.DiscReason, 1)
		srv := startGeth(t, quiet("quiet", reason))
		n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		events := watch(t, n)
		srv.AddPeer(n.Self())
		events.next(node.PeerAdded)
		reason <- p2p.DiscUselessPeer
		cause := events.next(node.PeerDropped).Cause
		if cause.Side != protocols.Remote || cause.Reason != protocols.DiscUselessPeer {
			t.Errorf("cause: %v", cause)
		}
	})
	t.Run("ours", func(t *testing.T) {
		reason := make(chan p2p.DiscReason)
		close(reason)
		srv := startGeth(t, quiet("quiet", reason))
		events := make(chan *p2p.PeerEvent, 16)
		sub := srv.SubscribeEvents(events)
		defer sub.Unsubscribe()
		n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		up := watch(t, n) // go-ethereum is up a moment before us, and then there is no link yet
		srv.AddPeer(n.Self())
		nextGeth(t, events, p2p.PeerEventTypeAdd)
		up.next(node.PeerAdded)
		if err := n.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		e := nextGeth(t, events, p2p.PeerEventTypeDrop)
		if e.Error != p2p.DiscQuitting.String() {
			t.Errorf("go-ethereum was told %q, want %q", e.Error, p2p.DiscQuitting)
		}
	})
	t.Run("useless", func(t *testing.T) {
		reason := make(chan p2p.DiscReason)
		srv := startGeth(t, quiet("other", reason))
		n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		events := watch(t, n)
		srv.AddPeer(n.Self())
		failed := events.next(node.SetupFailed)
		if failed.Err == nil {
			t.Error("no error tells that nothing is shared")
		}
	})
}

// listener says nothing.
type listener struct{}

func (listener) Receive(actor.Context) {}

func nextGeth(t *testing.T, events <-chan *p2p.PeerEvent, kind p2p.PeerEventType) *p2p.PeerEvent {
	t.Helper()
	for {
		if e := within(t, events); e.Type == kind {
			return e
		}
	}
}
