package protocols_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

type runFunc = func(ctx context.Context, rw *protocols.ReadWriter) error

func running(run runFunc) protocols.Spec { return protocols.FromRun(talk(idle), run) }

// TestFromRun: messages are read in order, typed or raw, and may be kept.
func TestFromRun(t *testing.T) {
	const n = 2000
	p := protocoltest.NewPair(t, running(func(_ context.Context, rw *protocols.ReadWriter) error {
		var all []any
		for range 2 * n {
			msg, err := rw.Read()
			if err != nil {
				return err
			}
			all = append(all, msg)
		}
		for i, msg := range all {
			switch msg := msg.(type) {
			case *ask:
				if msg.N != uint64(i/2) {
					return fmt.Errorf("message %d is %+v", i, msg)
				}
			case *protocols.RawMessage:
				if want := bytes.Repeat([]byte{byte(i / 2)}, 100); !bytes.Equal(msg.Payload, want) || msg.ReceivedAt.IsZero() {
					return fmt.Errorf("message %d is %+v", i, msg)
				}
			}
		}
		if err := rw.Write(&answer{N: uint64(len(all))}); err != nil {
			return err
		}
		_, err := rw.Read()
		return err
	}), byHand())
	for i := range n {
		send(t, p.B, &ask{N: uint64(i)})
		send(t, p.B, &protocols.RawMessage{Code: rawCode, Payload: bytes.Repeat([]byte{byte(i)}, 100)})
	}
	if got := protocoltest.Next[answer](p.B); got.N != 2*n {
		t.Errorf("%d messages were read", got.N)
	}
}

// TestRunEnds: how the link ends when run returns, as in go-ethereum.
func TestRunEnds(t *testing.T) {
	for name, c := range map[string]struct {
		run    func() error
		reason protocols.DiscReason
		want   string
	}{
		"nil":                  {func() error { return nil }, protocols.DiscQuitting, "protocol returned"},
		"error":                {func() error { return errBroken }, protocols.DiscSubprotocolError, "broken"},
		"reason":               {func() error { return protocols.DiscUselessPeer }, protocols.DiscUselessPeer, ""},
		"wrapped":              {func() error { return fmt.Errorf("%w: no head", protocols.DiscUselessPeer) }, protocols.DiscUselessPeer, "no head"},
		"panic":                {func() error { panic(errBroken) }, protocols.DiscSubprotocolError, "panic: broken"},
		"panic of a goroutine": {nil, protocols.DiscSubprotocolError, "panic: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := talk(idle)
			spec.Restart = protocols.Permanent
			p := protocoltest.NewPair(t, protocols.FromRun(spec, func(_ context.Context, rw *protocols.ReadWriter) error {
				if _, err := rw.Read(); err != nil {
					return err
				}
				if c.run == nil {
					rw.Go(func() { panic(errBroken) })
					_, err := rw.Read()
					return err
				}
				return c.run()
			}), byHand())
			send(t, p.B, &ask{})
			cause := p.A.Wait()
			if cause.Side != protocols.Local || cause.Reason != c.reason || cause.Protocol != "talk/7" || !strings.Contains(cause.Error(), c.want) {
				t.Errorf("A ended with %v", cause)
			}
			if crashed := strings.HasPrefix(name, "panic"); (cause.Stack != nil) != crashed {
				t.Errorf("the stack is %s", cause.Stack)
			}
			if cause := p.B.Wait(); cause.Side != protocols.Remote || cause.Reason != c.reason {
				t.Errorf("B ended with %v", cause)
			}
			if n := p.A.Restarts(); n != 0 {
				t.Errorf("%d restarts", n)
			}
		})
	}
}

// TestRunAtTheEnd: when the link has ended, earlier messages can still be read; after them the
// error is the link's cause. The context has ended as well.
func TestRunAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read, readErr, writeErr := 0, error(nil), error(nil)
		p := protocoltest.NewPair(t, running(func(ctx context.Context, rw *protocols.ReadWriter) error {
			<-ctx.Done()
			for readErr == nil {
				if _, readErr = rw.Read(); readErr == nil {
					read++
				}
			}
			writeErr = rw.Write(&answer{})
			return readErr
		}), byHand())
		for range 3 {
			send(t, p.B, &ask{})
		}
		synctest.Wait()
		p.B.Disconnect(protocols.DiscTooManyPeers)
		cause := p.A.Wait()
		synctest.Wait()
		var is *protocols.Cause
		if read != 3 || !errors.As(readErr, &is) || is != cause || cause.Reason != protocols.DiscTooManyPeers || writeErr != protocols.ErrLinkDown {
			t.Errorf("read %d, then %v, and wrote with %v; the cause is %v", read, readErr, writeErr, cause)
		}
	})
}

// TestRunThatDoesNotRead: a run function that does not read holds the remote back, and nothing is
// lost.
func TestRunThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size = 1000, 1000
		read, release := 0, make(chan struct{})
		spec := running(func(_ context.Context, rw *protocols.ReadWriter) error {
			<-release
			for {
				if _, err := rw.Read(); err != nil {
					return err
				}
				read++
			}
		})
		spec.Limits.Inbound = 100_000
		sender := talk(idle)
		sender.Limits.Outbox = 10 * n * size
		p := protocoltest.NewPair(t, spec, protocoltest.ByHand(sender), protocoltest.Buffer(10_000))
		for range n {
			send(t, p.B, &text{B: noise(size)})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		// What B could not write is in its outbox of 10,000,000 bytes, which accepts this message
		// if fewer than 600,000 are in it. A frame is assumed to need a sixth more than its
		// payload.
		if err := p.B.Send(&text{B: noise(8_050_000)}); err != protocols.ErrOutboxFull {
			t.Errorf("more than 400,000 bytes of 1,000,000 were sent to a remote that reads nothing: %v", err)
		}
		close(release)
		synctest.Wait()
		if read != n || p.A.Cause() != nil {
			t.Errorf("%d of %d messages were read in the end, cause %v", read, n, p.A.Cause())
		}
	})
}

// TestRunThatNeverReads: the link ends when its budget was full for 20 s, and the cause says so.
func TestRunThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := running(func(ctx context.Context, _ *protocols.ReadWriter) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		spec.Limits.Inbound = 100_000
		p := protocoltest.NewPair(t, spec, byHand(), protocoltest.Buffer(10_000))
		begin := time.Now()
		for range 500 {
			send(t, p.B, &text{B: noise(1000)})
		}
		<-p.A.Context().Done() // 40 s if some was handled while the budget was full, longer than Wait waits
		cause := p.A.Wait()
		if cause.Reason != protocols.DiscSubprotocolError || cause.Protocol != "talk/7" || !strings.Contains(cause.Error(), "budget full") {
			t.Errorf("ended with %v", cause)
		}
		if took := time.Since(begin); took < 20*time.Second || took > time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

// TestWriteWaits: Write waits while the remote does not read, and fails when the link ends.
func TestWriteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written, result := 0, error(nil)
		spec := running(func(_ context.Context, rw *protocols.ReadWriter) error {
			for result == nil {
				if result = rw.Write(&text{B: noise(1000)}); result == nil {
					written++
				}
			}
			return nil
		})
		spec.Limits.Outbox = 100_000
		p := protocoltest.NewPair(t, spec, byHand(), protocoltest.Buffer(10_000))
		p.B.Pause()
		synctest.Wait()
		stuck := written
		time.Sleep(time.Second)
		synctest.Wait()
		if written != stuck || result != nil {
			t.Errorf("%d messages were written, and a second later %d; error %v", stuck, written, result)
		}
		p.B.Resume()
		for range 3 * stuck {
			protocoltest.Next[text](p.B)
		}
		p.B.Pause()
		synctest.Wait()
		p.A.Disconnect(protocols.DiscRequested)
		p.A.Wait()
		synctest.Wait()
		if result != protocols.ErrLinkDown || written < 3*stuck {
			t.Errorf("after %d writes: %v", written, result)
		}
	})
}

// TestRunThatCalls: a blocking function can send a request and wait, and it starts after the
// handshake.
func TestRunThatCalls(t *testing.T) {
	got := make(chan string, 1)
	with := func(s protocols.Spec) protocols.Spec {
		s.Versions[0].Messages = append(s.Versions[0].Messages, protocols.Type[status]())
		s.Versions[0].Handshake = protocols.Exchange(func(*protocols.Link) status { return status{Network: 3} }, nil)
		return s
	}
	p := protocoltest.NewPair(t, protocols.FromRun(with(asking(idle)), func(ctx context.Context, rw *protocols.ReadWriter) error {
		b, err := protocols.Call[blocks](ctx, rw.Link(), &getBlocks{From: 4})
		if err != nil {
			return err
		}
		got <- fmt.Sprintf("%s in network %d", b.Data, protocols.StatusOf[status](rw.Link()).Network)
		_, err = rw.Read()
		return err
	}), protocoltest.ByHand(with(asking(idle))))
	q := protocoltest.Next[getBlocks](p.B)
	send(t, p.B, &blocks{ID: q.ID, Data: []byte("four")})
	if got := next(t, got, p.A); got != "four in network 3" {
		t.Errorf("got %q", got)
	}
}

// TestRunReadsRemaining: what the remote sent before its Disconnect is read before the link's cause.
func TestRunReadsRemaining(t *testing.T) {
	const n = 100
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			read := 0
			p := protocoltest.NewPair(t, running(func(_ context.Context, rw *protocols.ReadWriter) error {
				for ; ; read++ {
					msg, err := rw.Read()
					if err != nil {
						return err
					}
					if got := msg.(*ask).N; got != uint64(read) {
						t.Errorf("message %d is %d", read, got)
					}
				}
			}), byHand())
			p.A.Pause() // so that all arrives at once
			for i := range uint64(n) {
				send(t, p.B, &ask{N: i})
			}
			synctest.Wait()
			p.B.Link.Disconnect(protocols.DiscQuitting)
			synctest.Wait()
			p.A.Resume()
			if c := p.A.Wait(); c.Side != protocols.Remote {
				t.Errorf("the link ended with %v", c)
			}
			synctest.Wait()
			if read != n {
				t.Errorf("%d messages were read, want %d", read, n)
			}
		})
	}
}
