package protocols_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Get requests the value of a key. The first field is the request ID, which the kit sets.
type Get struct {
	ID  uint64
	Key string
}

// Value answers the Get with the same ID.
type Value struct {
	ID    uint64
	Value string
	Reads uint64 // how many requests were answered on this link
}

// StoreSpec describes store/1.
func StoreSpec(content map[string]string) protocols.Spec {
	return protocols.Spec{
		Name: "store",
		Versions: []protocols.Version{{
			Number: 1, Length: 2,
			Messages: []protocols.Message{ // in the order of their codes
				protocols.Type[Get](protocols.MaxSize(256)),
				protocols.Type[Value](protocols.Answers[Get](), protocols.MaxSize(64<<10)),
			},
		}},
		New: func() actor.Actor { return &store{content: content} },
	}
}

// store is the actor of one link.
type store struct {
	content map[string]string // shared by all links, and never written
	link    *protocols.Link
}

// reads is the link's state; it survives a crash of the actor.
type reads struct{ n uint64 }

func (s *store) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp: // first, and again after a crash
		s.link = msg.Link
	case *Get:
		s.answer(msg)
	}
}

func (s *store) answer(q *Get) {
	r := protocols.State[reads](s.link)
	r.n++
	if err := s.link.Send(&Value{ID: q.ID, Value: s.content[q.Key], Reads: r.n}); err != nil {
		s.link.DisconnectWithError(protocols.DiscRequested, err)
	}
}

// Code outside actors sends a request and waits.
func Example_store() {
	p, err := protocoltest.Connect(StoreSpec(map[string]string{"sky": "blue"}), StoreSpec(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	got, err := protocols.Call[Value](context.Background(), p.B.Link, &Get{Key: "sky"})
	fmt.Println(got.Value, err)
	// Output: blue <nil>
}

func TestStoreOutlivesCrashes(t *testing.T) {
	p := protocoltest.NewPair(t, StoreSpec(map[string]string{"sky": "blue"}), StoreSpec(nil))
	for n := uint64(1); n <= 3; n++ {
		got, err := protocols.Call[Value](t.Context(), p.B.Link, &Get{Key: "sky"})
		if err != nil || got.Value != "blue" || got.Reads != n {
			t.Errorf("got %+v, %v", got, err)
		}
		p.A.Crash() // the next actor answers on the same link
	}
}

func TestStoreSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which 15 seconds pass at once
		p := protocoltest.NewPair(t, protocoltest.ByHand(StoreSpec(nil)), StoreSpec(nil))
		if _, err := protocols.Call[Value](t.Context(), p.B.Link, &Get{}); !errors.Is(err, protocols.ErrAskTimeout) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStoreRefusesLongKeys(t *testing.T) {
	hostile := StoreSpec(nil)
	hostile.Versions[0].Messages[0] = protocols.Type[Get]() // without a limit
	p := protocoltest.NewPair(t, StoreSpec(nil), hostile)
	if err := p.B.Send(&Get{Key: strings.Repeat("x", 300)}); err != nil {
		t.Fatal(err)
	}
	if cause := p.A.Wait(); cause.Reason != protocols.DiscProtocolError {
		t.Errorf("the link ended: %v", cause)
	}
}
