package bench_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// FuzzMessages sends any bytes with any code. Either the actor handles them and answers a
// Sync after them, or it ends the link with a breach of protocol. It never crashes.
func FuzzMessages(f *testing.F) {
	seed := func(code uint8, msg any) {
		payload, err := rlp.EncodeToBytes(msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(code, payload)
		f.Add(code, payload[:len(payload)-1])
		f.Add(code, append(payload, 0))
	}
	seed(0, &bench.Data{Payload: []byte("data")})
	seed(1, &bench.Echo{ID: 1 << 40, Payload: []byte("echo")})
	seed(2, &bench.EchoReply{ID: 7})
	seed(3, &bench.Flood{Count: 3, Size: 100})
	seed(3, &bench.Flood{Count: 1, Size: 1 << 63})
	seed(4, &bench.FloodDone{Count: 3})
	seed(5, &bench.Sync{ID: 1<<64 - 1})
	seed(6, &bench.SyncReply{})
	f.Add(uint8(15), []byte("reserved"))
	f.Add(uint8(1), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, code uint8, payload []byte) {
		code %= 16
		if endless(code, payload) {
			return
		}
		synced := make(chan struct{}, 1)
		spec := hostile()
		spec.New = func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				raw, ok := ctx.Message().(*protocols.RawMessage)
				if ok && raw.Code == 6 && string(raw.Payload) == "\xc3\x82\xab\xcd" {
					select {
					case synced <- struct{}{}:
					default: // the fuzzer has generated the same Sync
					}
				}
			})
		}
		p := protocoltest.NewPair(t, bench.Spec(), spec)
		send(t, p.B, &protocols.RawMessage{Code: uint64(code), Payload: payload})
		if err := p.B.Send(raw(t, 5, &bench.Sync{ID: 0xabcd})); err != nil && err != protocols.ErrLinkDown {
			t.Fatal(err)
		}
		select {
		case <-synced:
		case <-p.A.Context().Done():
			if c := p.A.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscProtocolError || c.Err == nil {
				t.Errorf("ended with %v", c)
			}
		}
		if n := p.A.Restarts(); n != 0 {
			t.Errorf("%d restarts", n)
		}
	})
}

// endless reports whether the message is a valid Flood that takes too long for a fuzz test.
func endless(code uint8, payload []byte) bool {
	var f bench.Flood
	if code != 3 || rlp.DecodeBytes(payload, &f) != nil {
		return false
	}
	return f.Size <= bench.MaxSize && (f.Count > 1000 || f.Count*f.Size > 1<<20)
}
