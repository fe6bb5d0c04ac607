package actors

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/wire"
)

// TestManyLinks starts and ends links over TCP, in all ways and during traffic, and checks that
// the number of goroutines returns to its start; newNode checks actors, buffers and memory.
func TestManyLinks(t *testing.T) {
	const links, atOnce = 200, 10
	a, b := newNode(t), newNode(t)
	before := runtime.NumGoroutine()
	payload := noise(5000)
	chatty := func() Protocol {
		s := &script{}
		s.up = func(actor.Context) {
			for range 10 {
				_ = s.Send(0, payload)
			}
		}
		s.message = func(_ actor.Context, in Inbound) error {
			if in.Code == 0 {
				return s.Send(1, in.Payload)
			}
			return nil
		}
		return s.protocol("a")
	}
	for range links / atOnce {
		var ends []func()
		for i := range atOnce {
			r, connB := link(t, a, b, []Protocol{chatty()}, []Protocol{chatty()})
			ends = append(ends, func() {
				switch i % 4 {
				case 0:
					r.la.Disconnect(wire.DiscTooManyPeers, nil)
				case 1: // both at once
					r.la.Disconnect(wire.DiscQuitting, nil)
					r.lb.Disconnect(wire.DiscQuitting, nil)
				case 2:
					if err := connB.(interface{ CloseWrite() error }).CloseWrite(); err != nil { // b's link owns the connection
						t.Error(err)
					}
				case 3:
					a.stop(r.la)
				}
			})
		}
		for _, end := range ends {
			end()
		}
		for range atOnce {
			a.wait()
			b.wait()
		}
	}
	becomesZero(t, "extra goroutines", func() int64 { return int64(max(0, runtime.NumGoroutine()-before)) })
	if got := fmt.Sprint(a.announced.Load(), b.announced.Load()); got != fmt.Sprint(links, links) {
		t.Errorf("the owners received %s LinkEnded, want %d each", got, links)
	}
}
