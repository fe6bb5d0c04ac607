package bench_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

const dataCode = 0

// load links bench/1 to a load generator that the test controls.
func load(t *testing.T, opts ...protocoltest.Option) *protocoltest.Pair {
	t.Helper()
	return protocoltest.NewPair(t, bench.Spec(), protocoltest.ByHand(bench.Spec()), opts...)
}

// hostile returns the Spec of a remote that can send any bytes with any code.
func hostile() protocols.Spec {
	s := bench.Spec()
	messages := make([]protocols.Message, s.Versions[0].Length)
	for i := range messages {
		messages[i] = protocols.Raw()
	}
	s.Versions[0].Messages = messages
	return s
}

func send(t *testing.T, from *protocoltest.End, msgs ...any) {
	t.Helper()
	for _, msg := range msgs {
		if err := from.Send(msg); err != nil {
			t.Fatal(err)
		}
	}
}

func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func raw(t *testing.T, code uint64, v any) *protocols.RawMessage {
	t.Helper()
	payload, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return &protocols.RawMessage{Code: code, Payload: payload}
}

func TestEcho(t *testing.T) {
	p := load(t)
	for _, size := range []int{0, 1, 32, 60, 61, 65536, 1 << 20, bench.MaxSize} {
		body := noise(size)
		send(t, p.B, &bench.Echo{ID: uint64(size), Payload: body})
		if got := protocoltest.Next[bench.EchoReply](p.B); got.ID != uint64(size) || !bytes.Equal(got.Payload, body) {
			t.Errorf("echo of %d bytes was answered with %d bytes and id %d", size, len(got.Payload), got.ID)
		}
	}
}

// TestAnswersKeepTheOrder: FloodDone arrives before the answers to requests after the
// Flood, and a SyncReply after the answers to all requests before the Sync.
func TestAnswersKeepTheOrder(t *testing.T) {
	p := load(t)
	const count, size = 3000, 500
	send(t, p.B,
		&bench.Echo{ID: 1}, raw(t, dataCode, &bench.Data{Payload: noise(100)}),
		&bench.Flood{Count: count, Size: size},
		&bench.Echo{ID: 2}, &bench.Sync{ID: 3}, &bench.Flood{}, &bench.Sync{ID: 4})
	if got := protocoltest.Next[bench.EchoReply](p.B); got.ID != 1 {
		t.Errorf("first answer is %d", got.ID)
	}
	for range count {
		var data bench.Data
		got := protocoltest.Next[protocols.RawMessage](p.B)
		if err := rlp.DecodeBytes(got.Payload, &data); err != nil || len(data.Payload) != size {
			t.Fatalf("Data of %d bytes, %v; want %d", len(data.Payload), err, size)
		}
		if packed := snappy.Encode(nil, got.Payload); len(packed) < size {
			t.Fatalf("Data is compressible, to %d bytes", len(packed))
		}
	}
	if got := protocoltest.Next[bench.FloodDone](p.B); got.Count != count {
		t.Errorf("flood done after %d", got.Count)
	}
	if got := protocoltest.Next[bench.EchoReply](p.B); got.ID != 2 {
		t.Errorf("echo is %d", got.ID)
	}
	if got := protocoltest.Next[bench.SyncReply](p.B); got.ID != 3 {
		t.Errorf("sync is %d", got.ID)
	}
	if got := protocoltest.Next[bench.FloodDone](p.B); got.Count != 0 {
		t.Errorf("empty flood done after %d", got.Count)
	}
	if got := protocoltest.Next[bench.SyncReply](p.B); got.ID != 4 {
		t.Errorf("sync is %d", got.ID)
	}
}

// TestIgnored: bench/1 ignores replies and reserved codes, and doesn't parse the RLP of
// Data.
func TestIgnored(t *testing.T) {
	p := protocoltest.NewPair(t, bench.Spec(), protocoltest.ByHand(hostile()))
	send(t, p.B, &protocols.RawMessage{Code: dataCode, Payload: []byte("no RLP")}, raw(t, 2, &bench.EchoReply{ID: 1}), raw(t, 4, &bench.FloodDone{}), raw(t, 6, &bench.SyncReply{}))
	for code := uint64(7); code < 16; code++ {
		send(t, p.B, &protocols.RawMessage{Code: code, Payload: []byte("reserved")})
	}
	send(t, p.B, raw(t, 5, &bench.Sync{ID: 9}))
	if got := protocoltest.Next[protocols.RawMessage](p.B); got.Code != 6 || !bytes.Equal(got.Payload, []byte{0xc1, 0x09}) {
		t.Errorf("got 0x%02x %x, want the SyncReply alone", got.Code, got.Payload)
	}
}

func TestTooLargeIsABreach(t *testing.T) {
	for name, c := range map[string]struct {
		msg  any
		want string
	}{
		"flood":      {&bench.Flood{Count: 1, Size: bench.MaxSize + 1}, "flood of 8388609 bytes"},
		"huge flood": {&bench.Flood{Count: 1, Size: 1<<64 - 1}, "flood of 18446744073709551615 bytes"},
		"echo":       {&bench.Echo{Payload: make([]byte, bench.MaxSize+1)}, "echo of 8388609 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			p := load(t)
			send(t, p.B, c.msg)
			if cause := p.A.Wait(); cause.Reason != protocols.DiscProtocolError || !strings.Contains(cause.Error(), c.want) {
				t.Errorf("ended with %v, want an error with %q", cause, c.want)
			}
		})
	}
}

// TestCrashLosesNothing injects crashes into a flood.
func TestCrashLosesNothing(t *testing.T) {
	p := load(t, protocoltest.Buffer(10_000))
	const count = 5000
	send(t, p.B, &bench.Flood{Count: count, Size: 100})
	for range 5 {
		protocoltest.Next[protocols.RawMessage](p.B)
		p.A.Crash()
	}
	for range count - 5 {
		protocoltest.Next[protocols.RawMessage](p.B)
	}
	if got := protocoltest.Next[bench.FloodDone](p.B); got.Count != count {
		t.Errorf("flood done after %d", got.Count)
	}
}

// TestRemoteThatDoesNotRead asks for more than any outbox holds: nothing crashes, and
// all answers arrive when the remote reads.
func TestRemoteThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const floods, count, size = 40, 10, 100_000
		release, arrived := make(chan struct{}), 0
		spec := bench.Spec()
		spec.New = func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*protocols.RawMessage); ok {
					<-release
					arrived++
				}
			})
		}
		p := protocoltest.NewPair(t, bench.Spec(), spec)
		for range floods {
			send(t, p.B, &bench.Flood{Count: count, Size: size})
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if arrived != floods*count {
			t.Errorf("%d messages arrived, want %d", arrived, floods*count)
		}
		if n := p.A.Restarts(); n != 0 {
			t.Errorf("%d restarts", n)
		}
	})
}

// TestAnswersWithoutRoom: if the remote does not read and the outbox is full, the answers
// follow in order when there is room, even after crashes.
func TestAnswersWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remote := protocoltest.ByHand(bench.Spec())
		remote.Limits = protocols.Limits{Inbound: 64 << 20, Outbox: 64 << 20} // asks for much and reads all of it later
		p := protocoltest.NewPair(t, bench.Spec(), remote)
		p.B.Pause()
		others := 0 // messages that fill the outbox
		for p.A.Send(&bench.EchoReply{Payload: noise(10_000)}) == nil {
			others++
		}
		ask := func(id uint64, size int) { send(t, p.B, &bench.Echo{ID: id, Payload: noise(size)}) }
		answered := func(id uint64, size int) {
			t.Helper()
			if got := protocoltest.Next[bench.EchoReply](p.B); got.ID != id || len(got.Payload) != size {
				t.Errorf("got the reply to echo %d with %d bytes, want %d with %d", got.ID, len(got.Payload), id, size)
			}
		}
		ask(1, 60_000)
		ask(2, 0)
		send(t, p.B, &bench.Flood{Count: 1, Size: 120_000})
		ask(3, bench.MaxSize)
		ask(4, bench.MaxSize)
		send(t, p.B, &bench.Sync{ID: 5})
		synctest.Wait()
		p.B.Resume()
		p.A.Crash()
		for range others {
			answered(0, 10_000)
		}
		answered(1, 60_000)
		answered(2, 0)
		protocoltest.Next[protocols.RawMessage](p.B)
		protocoltest.Next[bench.FloodDone](p.B)
		p.A.Crash()
		answered(3, bench.MaxSize)
		answered(4, bench.MaxSize)
		protocoltest.Next[bench.SyncReply](p.B)
		if n := p.A.Restarts(); n != 2 {
			t.Errorf("%d restarts, want one for each of the two injected crashes", n)
		}
	})
}
