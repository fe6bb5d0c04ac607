package protocols_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestOnlyAsked: a Spec may have links end at answers to no request. The first answer to a request that
// has failed is none of those.
func TestOnlyAsked(t *testing.T) {
	const sent = 3 // 1 is answered, 2 times out, 3 is cancelled
	for _, c := range []struct {
		name    string
		answers []uint64
		want    string // what the error has; empty: the link stays
		late    uint64
	}{
		{"late ones", []uint64{2, 3}, "", 2},
		{"never sent", []uint64{sent + 1}, "request 4 was never sent", 0},
		{"zero", []uint64{0}, "request 0 was never sent", 0},
		{"a second one", []uint64{1}, "request 1 has its answer", 1},
		{"late, a second one", []uint64{2, 2}, "request 2 has its answer", 2},
		{"cancelled, a second one", []uint64{3, 3}, "request 3 has its answer", 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			spec := asking(idle)
			spec.OnlyAsked = true
			p := protocoltest.NewPair(t, spec, askedByHand())
			send(t, p.B, &roots{ID: mustAsk(t, p, &getRoots{})})
			mustAsk(t, p, &getRoots{}, protocols.Within(time.Second))
			p.A.Cancel(mustAsk(t, p, &getRoots{}))
			time.Sleep(2 * time.Second)
			synctest.Wait()
			for _, id := range c.answers {
				send(t, p.B, &roots{ID: id})
			}
			synctest.Wait()
			switch cause := p.A.Cause(); {
			case c.want == "" && cause != nil:
				t.Errorf("%s: the link ended: %v", c.name, cause)
			case c.want != "" && (!errors.Is(cause, protocols.ErrUnasked) || cause.Reason != protocols.DiscProtocolError || !strings.Contains(cause.Error(), "message 0x03 of talk/7: an answer to no request: "+c.want)):
				t.Errorf("%s: ended with %v", c.name, cause)
			}
			expect(t, c.name+": late", p.A.AskStats().Late, c.late)
		})
	}
}

// TestOverdueRequestsAreForgotten: a node remembers so many requests that were cancelled, not more.
func TestOverdueRequestsAreForgotten(t *testing.T) {
	const kept = 1024
	for id, ends := range map[uint64]bool{2: false, 1: true} {
		synctest.Test(t, func(t *testing.T) {
			spec := asking(idle)
			spec.OnlyAsked = true
			p := protocoltest.NewPair(t, spec, askedByHand())
			for range kept + 1 {
				p.A.Cancel(mustAsk(t, p, &getRoots{}))
				synctest.Wait()
			}
			send(t, p.B, &roots{ID: id})
			synctest.Wait()
			if cause := p.A.Cause(); (cause != nil) != ends || ends && !errors.Is(cause, protocols.ErrUnasked) {
				t.Errorf("after %d requests, an answer to number %d: %v", kept+1, id, cause)
			}
		})
	}
}
