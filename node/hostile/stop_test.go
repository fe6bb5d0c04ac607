package hostile_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
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
