package hostile_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
)

// stopTimeout is what the node binary gives Node.Stop, so that the process ends within five seconds.
const stopTimeout = 4500 * time.Millisecond

// TestStopUnderFlood: a node stops in its time while thirty remotes send without a pause and read
// nothing: neither answers, nor the flood that they have asked for, nor the Disconnect.
func TestStopUnderFlood(t *testing.T) {
	const remotes = 30
	v := attackable(t, t.Context().Done())
	begin := make(chan struct{})
	var flooding sync.WaitGroup
	for i := range remotes {
		r := v.connect(t, benchCap)
		if err := r.TCP().SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		next := floods[i%len(floods)](r)
		flooding.Go(func() {
			<-begin
			for {
				b, err := next()
				if err == nil {
					_, err = r.Conn.Write(b)
				}
				if err != nil {
					return
				}
			}
		})
	}
	actortest.Eventually(t, "all links are up", func() bool { return v.PeerCount() == remotes })
	close(begin)
	actortest.Eventually(t, "the flood is read", func() bool {
		return slices.ContainsFunc(v.Peers(), func(p node.PeerInfo) bool { return p.BytesIn > 1<<20 })
	})
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := v.Stop(ctx); err != nil {
		t.Error(err)
	}
	flooding.Wait()
}

// TestStopTime is the same in simulated time, in which only what a node waits for takes time: the links
// end together, within the two seconds that a remote has to read its Disconnect, and nothing follows.
func TestStopTime(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const remotes = 30
		world, home := nodetest.NewNetwork(), netip.MustParseAddrPort("203.0.113.1:30303")
		v := nodetest.Start(t, func(c *node.Config) {
			c.Specs, c.Clock = []protocols.Spec{bench.Spec()}, new(actortest.Clock)
			world.Attach(c, home)
		})
		for i := range remotes {
			conn, err := world.DialFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}))(t.Context(), home)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			r, err := nodetest.NewClient(conn, v, fixture.Key(t), benchCap)
			if err != nil {
				t.Fatal(err)
			}
			next := floods[i%len(floods)](r)
			go func() {
				for {
					b, err := next()
					if err == nil {
						_, err = r.Conn.Write(b)
					}
					if err != nil {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}()
		}
		actortest.After(time.Second) // what the remotes don't read fills their buffers
		events := nodetest.Watch(t, v)
		begin := time.Now()
		if err := v.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("Stop took %v, want 2 s", took)
		}
		for range remotes {
			if took := events.Next(node.PeerDropped).Time.Sub(begin); took > 2*time.Second {
				t.Errorf("a link ended after %v", took)
			}
		}
	})
}

// floods make what a remote sends without a pause: messages that the node consumes, requests
// whose answers it reads as little as all else, and pings.
var floods = []func(r *nodetest.Client) func() ([]byte, error){
	func(r *nodetest.Client) func() ([]byte, error) {
		return func() ([]byte, error) { return r.Message(firstCode, &bench.Data{Payload: dataBytes}) }
	},
	func(r *nodetest.Client) func() ([]byte, error) {
		return func() ([]byte, error) { return r.Message(firstCode+3, &bench.Flood{Count: 1 << 40, Size: 8 << 20}) }
	},
	func(r *nodetest.Client) func() ([]byte, error) {
		return func() ([]byte, error) { return pings(r) }
	},
}

var dataBytes = make([]byte, 32<<10)
