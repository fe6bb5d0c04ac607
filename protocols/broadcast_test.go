package protocols_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// countingNews is a message that counts its encodings.
type countingNews struct {
	Body    []byte
	encoded *atomic.Int64
}

func (n *countingNews) EncodeRLP(w io.Writer) error {
	n.encoded.Add(1)
	return rlp.Encode(w, []any{n.Body})
}

func (n *countingNews) DecodeRLP(s *rlp.Stream) error {
	var plain struct{ Body []byte }
	err := s.Decode(&plain)
	n.Body = plain.Body
	return err
}

func newsSpec() protocols.Spec {
	s := specOf(protocols.Type[countingNews]())
	s.Name = "news"
	s.Versions[0].Length = 1
	s.Limits.Outbox = 4 << 20
	return s
}

// prose is text of that many bytes, which compresses about as well as real text.
func prose(size int) []byte {
	words := strings.Fields("the link is a small tree and when one of them fails it is made again while the others go on as if nothing had happened")
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%s %x ", words[random.IntN(len(words))], random.Uint32()&0xffff)
	}
	return b.Bytes()[:size]
}

// frameOf returns the size of a payload on the wire of a link that has one protocol.
func frameOf(tb testing.TB, payload []byte) int64 {
	tb.Helper()
	frame, err := wire.AppendCompressed(nil, wire.BaseLength, payload)
	if err != nil {
		tb.Fatal(err)
	}
	return int64(len(frame))
}

// TestBroadcastToMany: a message of 100 KiB is sent to 500 links with one encoding and one
// compression, and every link writes all of it.
func TestBroadcastToMany(t *testing.T) {
	const links = 500
	f := newFan(t, links, newsSpec())
	var encoded atomic.Int64
	e, err := protocols.Encode(&countingNews{Body: prose(100 << 10), encoded: &encoded})
	if err != nil {
		t.Fatal(err)
	}
	payload := encode(t, []any{prose(100 << 10)})
	done := f.await(links * frameOf(t, payload))
	d, err := protocols.Broadcast(slices.Values(f.links), e, protocols.Drop)
	if err != nil || d.Queued != links || len(d.Full)+len(d.Down)+len(d.Unable) > 0 {
		t.Errorf("delivered %+v, %v", d, err)
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%d bytes were written in a minute, want %d", f.written.Load(), f.goal.Load())
	}
	if encoded.Load() != 1 || e.Compressions() != 1 || e.Size() != len(payload) {
		t.Errorf("%d encodings and %d compressions of %d bytes, want one of each of %d", encoded.Load(), e.Compressions(), e.Size(), len(payload))
	}
}

// TestBroadcastArrives: a broadcast reaches both versions, each with its own code. Links without
// such a message and links that have ended are skipped.
func TestBroadcastArrives(t *testing.T) {
	both := oldAndNew(1, 2)
	both.New = func() actor.Actor { return idleActor{} }
	old := protocoltest.NewPair(t, both, protocoltest.ByHand(oldAndNew(1)))
	fresh := protocoltest.NewPair(t, both, protocoltest.ByHand(oldAndNew(2)))
	gone := protocoltest.NewPair(t, both, protocoltest.ByHand(oldAndNew(2)))
	gone.A.Disconnect(protocols.DiscRequested)
	gone.A.Wait()
	all := slices.Values([]*protocols.Link{old.A.Link, fresh.A.Link, gone.A.Link})
	d, err := protocols.Broadcast(all, ask{N: 6}, protocols.Drop)
	if err != nil || d.Queued != 2 || len(d.Down) != 1 || d.Down[0] != gone.A.Link {
		t.Errorf("delivered %+v, %v", d, err)
	}
	if a, b := protocoltest.Next[ask](old.B), protocoltest.Next[ask](fresh.B); a.N != 6 || b.N != 6 {
		t.Errorf("got %v and %v", a, b)
	}
	d, err = protocols.Broadcast(all, &detailed{N: 7, Note: strings.Repeat("long", 10_000)}, protocols.Wait)
	if err != nil || d.Queued != 1 || len(d.Unable) != 1 || d.Unable[0] != old.A.Link {
		t.Errorf("delivered %+v, %v", d, err)
	}
	if got := protocoltest.Next[detailed](fresh.B); len(got.Note) != 40_000 {
		t.Errorf("got %+v", got)
	}
}

func TestEncode(t *testing.T) {
	p := protocoltest.NewPair(t, limited(), protocoltest.ByHand(limited()))
	other := protocoltest.NewPair(t, talk(idle), byHand())
	for name, msg := range map[string]any{
		"nil": nil, "nil pointer": (*ask)(nil), "nil raw": (*protocols.RawMessage)(nil), "no RLP": make(chan int), "nil encoded": (*protocols.Encoded)(nil),
	} {
		if _, err := protocols.Encode(msg); err == nil {
			t.Errorf("%s was encoded", name)
		}
		if _, err := protocols.Broadcast(slices.Values([]*protocols.Link{p.A.Link}), msg, protocols.Drop); err == nil {
			t.Errorf("%s was broadcast", name)
		}
	}
	if err := p.A.Send((*protocols.Encoded)(nil)); err == nil {
		t.Error("a nil encoded message was sent")
	}
	if _, err := protocols.Encode(&protocols.RawMessage{Payload: make([]byte, 1<<24)}); !errors.Is(err, protocols.ErrMessageTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := protocols.Broadcast(slices.Values([]*protocols.Link{p.A.Link}), &ask{}, 0); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("an invalid policy: %v", err)
	}
	ready := func(msg any) *protocols.Encoded {
		e, err := protocols.Encode(msg)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var unknown *protocols.UnknownTypeError
	var limit *protocols.LimitError
	if err := p.A.Send(ready(&detailed{})); !errors.As(err, &unknown) || unknown.Type != "protocols_test.detailed" {
		t.Errorf("not a message of the version: %v", err)
	}
	if err := p.A.Send(ready(&protocols.RawMessage{Code: limitedText})); !errors.As(err, &unknown) || unknown.Type != "raw message 0x00" {
		t.Errorf("a raw message for a typed code: %v", err)
	}
	if err := p.A.Send(ready(&text{S: strings.Repeat("s", 96)})); !errors.As(err, &limit) {
		t.Errorf("above the size limit: %v", err)
	}
	raw := ready(&protocols.RawMessage{Code: rawCode, Payload: []byte("raw")})
	msg := ready(&ask{N: 5})
	for range 3 { // several times
		send(t, other.A, raw)
		send(t, other.A, msg)
		if got := protocoltest.Next[protocols.RawMessage](other.B); string(got.Payload) != "raw" {
			t.Errorf("got %q", got.Payload)
		}
		if got := protocoltest.Next[ask](other.B); got.N != 5 {
			t.Errorf("got %+v", got)
		}
	}
	if err := other.A.SendSeq(func(yield func(any) bool) { _ = yield(raw) && yield(msg) }); err != nil {
		t.Error(err)
	}
	send(t, other.B, &ask{}) // a turn in which the sequence is pulled
	protocoltest.Next[protocols.RawMessage](other.B)
	protocoltest.Next[ask](other.B)
	if n := raw.Compressions(); n != 1 {
		t.Errorf("compressed %d times", n)
	}
}

// TestBroadcastToRemoteThatDoesNotRead: the policies for a link without room. No Drained follows, and
// queued messages arrive when the remote reads again.
func TestBroadcastToRemoteThatDoesNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		policy protocols.WhenFull
		most   int // messages of 20 kB that an outbox of 100 kB accepts
	}{"drop": {protocols.Drop, 5}, "wait": {protocols.Wait, 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				drained := 0
				spec := talk(func(ctx actor.Context, _ *protocols.Link) {
					if _, ok := ctx.Message().(*protocols.Drained); ok {
						drained++
					}
				})
				spec.Limits.Outbox = 101_000
				p := protocoltest.NewPair(t, spec, byHand(), protocoltest.Buffer(10_000))
				p.B.Pause()
				all := slices.Values([]*protocols.Link{p.A.Link})
				sent := 0
				for {
					d, err := protocols.Broadcast(all, &text{B: noise(20_000)}, c.policy)
					if err != nil {
						t.Fatal(err)
					}
					if len(d.Full) == 1 {
						break
					}
					sent++
					synctest.Wait() // the first message is being written
				}
				if sent != c.most+1 {
					t.Errorf("%d messages were queued, want %d and the one that is being written", sent, c.most)
				}
				p.B.Resume()
				for range sent {
					protocoltest.Next[text](p.B)
				}
				synctest.Wait()
				if drained != 0 {
					t.Errorf("Drained was called %d times", drained)
				}
			})
		})
	}
}

// TestUrgent: control messages overtake waiting bulk messages, and have room when bulk fills the
// outbox.
func TestUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		spec := func() protocols.Spec {
			s := talk(func(ctx actor.Context, _ *protocols.Link) {
				switch msg := ctx.Message().(type) {
				case *text:
					got = append(got, "bulk")
				case *answer:
					got = append(got, fmt.Sprint("control ", msg.N))
				}
			})
			s.Versions[0].Messages[answerCode] = protocols.Type[answer](protocols.Urgent())
			s.Limits.Outbox = 300_000
			return s
		}
		p := protocoltest.NewPair(t, spec(), spec(), protocoltest.Buffer(10_000))
		p.B.Pause()
		bulk := 0
		for ; p.A.Send(&text{B: noise(30_000)}) == nil; bulk++ {
			synctest.Wait()
		}
		for n := range uint64(3) {
			send(t, p.A, &answer{N: n})
		}
		p.B.Resume()
		synctest.Wait()
		first := slices.Index(got, "control 0")
		if first < 0 || first > 3 || len(got) != bulk+3 || !slices.Equal(got[first:first+3], []string{"control 0", "control 1", "control 2"}) {
			t.Errorf("of %d bulk messages and three control messages, %q arrived", bulk, got)
		}
	})
}
