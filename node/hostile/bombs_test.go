package hostile_test

import (
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// TestBombsHoldTheirRemoteBack: a remote sends nothing but messages that expand to 16 MiB. It gets
// as many through as a link is allowed to, and stays a peer.
func TestBombsHoldTheirRemoteBack(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var handled atomic.Int64
		bulk := fixture.Lines("bulk", func() actor.ReceiveFunc {
			return func(ctx actor.Context) {
				if _, ok := ctx.Message().(*protocols.RawMessage); ok {
					handled.Add(1)
				}
			}
		})
		bulk.Versions[0].Messages[0] = protocols.Raw()
		network, at := nodetest.NewNetwork(), netip.MustParseAddrPort("192.0.2.1:30303")
		n := nodetest.Start(t, func(c *node.Config) {
			c.Specs = []protocols.Spec{bulk}
			network.Attach(c, at)
		})
		conn, err := network.DialFrom(netip.MustParseAddr("192.0.2.2"))(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		r, err := nodetest.NewClient(conn, n, fixture.Key(t), wire.Cap{Name: "bulk", Version: 1})
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, conn) // it need not answer pings while it sends
		payload, err := rlp.EncodeToBytes(make([]byte, wire.MaxPayload-16))
		if err != nil {
			t.Fatal(err)
		}
		block, err := wire.Compress(payload)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for range 100 {
				frame, err := wire.AppendFrame(nil, firstCode, block)
				if err == nil {
					err = r.Encoder.Seal(frame)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := conn.Write(frame); err != nil {
					return // the test is over
				}
			}
		}()
		const span = time.Minute
		<-time.After(span)
		synctest.Wait()
		if got := handled.Load(); got < 5 || got > 20 {
			t.Errorf("%d bombs were handled in %v", got, span)
		}
		if n.PeerCount() != 1 {
			t.Error("the remote is no peer any more")
		}
	})
}
