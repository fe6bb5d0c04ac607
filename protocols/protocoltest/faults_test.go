package protocoltest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestCrashAtMessage: a crash before a message loses it; a crash after it keeps its effect.
func TestCrashAtMessage(t *testing.T) {
	for name, c := range map[string]struct {
		spec     protocols.Spec
		total    uint64 // of 1 + 2 + 4 + 8
		restarts int
	}{
		"before":       {protocoltest.CrashBefore(counting(), 2), 1 + 4 + 8, 1},
		"after":        {protocoltest.CrashAfter(counting(), 2), 1 + 2 + 4 + 8, 1},
		"twice":        {protocoltest.CrashBefore(counting(), 1, 4), 2 + 4, 2},
		"both":         {protocoltest.CrashAfter(protocoltest.CrashBefore(counting(), 3), 4), 1 + 2 + 8, 2},
		"both, other":  {protocoltest.CrashBefore(protocoltest.CrashAfter(counting(), 3), 4), 1 + 2 + 4, 2},
		"not that far": {protocoltest.CrashBefore(counting(), 99), 1 + 2 + 4 + 8, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, c.spec, protocoltest.ByHand(counting()))
			for n := range 4 {
				send(t, p.B, &Add{N: 1 << n})
			}
			send(t, p.B, &Ask{})
			if got := protocoltest.Next[Total](p.B); got.N != c.total {
				t.Errorf("total is %d, want %d", got.N, c.total)
			}
			if got := p.A.Restarts(); got != c.restarts {
				t.Errorf("%d restarts, want %d", got, c.restarts)
			}
		})
	}
}

// TestCrashAtMessageCounts: the Spec's restart rules apply to the crash.
func TestCrashAtMessageCounts(t *testing.T) {
	spec := protocoltest.CrashAfter(counting(), 1, 2)
	spec.Intensity = protocols.Intensity{Restarts: 1, Within: time.Minute}
	p := protocoltest.NewPair(t, spec, protocoltest.ByHand(counting()))
	send(t, p.B, &Add{N: 1})
	send(t, p.B, &Add{N: 1})
	if c := p.A.Wait(); c.Reason != protocols.DiscSubprotocolError || !strings.Contains(fmt.Sprint(c.Err), "crash after message 2") {
		t.Errorf("ended with %v", c)
	}
	broken := counting()
	broken.New = func() actor.Actor { return nil }
	p = protocoltest.NewPair(t, protocoltest.CrashBefore(broken, 1), protocoltest.ByHand(counting()))
	if c := p.A.Wait(); !strings.Contains(fmt.Sprint(c.Err), "New returned nil") {
		t.Errorf("ended with %v", c)
	}
}

// TestFullOutboxAt: the actor's own Send is refused while it handles that message and no other,
// and one Drained follows.
func TestFullOutboxAt(t *testing.T) {
	var said []string
	spec := counting()
	spec.New = func() actor.Actor {
		var link *protocols.Link
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
			case *Add:
				said = append(said, fmt.Sprint(msg.N, " ", link.Send(&Total{})))
			case *protocols.Drained:
				said = append(said, "drained")
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, protocoltest.FullOutboxAt(spec, &Ask{}, 2), protocoltest.ByHand(counting()))
		for n := range uint64(3) {
			send(t, p.B, &Add{N: n})
			synctest.Wait()
		}
		if got, want := strings.Join(said, ", "), "0 <nil>, 1 outbox full, drained, 2 <nil>"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	p := protocoltest.NewPair(t, protocoltest.FullOutboxAt(counting(), "text", 1), protocoltest.ByHand(counting()))
	send(t, p.B, &Add{N: 1})
	send(t, p.B, &Ask{})
	if got := protocoltest.Next[Total](p.B); got.N != 0 || p.A.Restarts() != 1 {
		t.Errorf("a filling that is not a message gave a total of %d and %d restarts", got.N, p.A.Restarts())
	}
}

// TestFillOutbox: the outbox is full and stays full, even for one byte and whatever the size of
// the filling, until the other end reads.
func TestFillOutbox(t *testing.T) {
	for _, size := range []uint64{0, 1 << 7, 1 << 63} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := counting()
				spec.Limits.Outbox = 5000
				p := protocoltest.NewPair(t, spec, protocoltest.ByHand(counting()), protocoltest.Buffer(3000))
				p.B.Pause()
				queued := p.A.FillOutbox(&Total{N: size})
				if queued < 100 {
					t.Errorf("only %d messages were queued", queued)
				}
				synctest.Wait()
				if err := p.A.Send(&Total{N: 0}); !errors.Is(err, protocols.ErrOutboxFull) {
					t.Errorf("Send to a full outbox: %v", err)
				}
				p.B.Resume()
				for range queued {
					if got := protocoltest.Next[Total](p.B); got.N != size {
						t.Errorf("got total %d", got.N)
					}
				}
				send(t, p.A, &Total{N: 77})
				if got := protocoltest.Next[Total](p.B); got.N != 77 {
					t.Errorf("the message after the filling has total %d", got.N)
				}
			})
		})
	}
}

// TestFillOutboxFails: a failure to fill the outbox is reported, and no call waits for ever.
func TestFillOutboxFails(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*protocoltest.Pair)
		msg     any
		want    string
	}{
		"a remote that reads": {func(*protocoltest.Pair) {}, &Total{}, "Pause"},
		"no such message":     {func(p *protocoltest.Pair) { p.B.Pause() }, "text", "string"},
		"the link's end": {func(p *protocoltest.Pair) {
			p.B.Pause()
			p.A.Disconnect(protocols.DiscUselessPeer)
			p.A.Wait()
		}, &Total{}, "down"},
		"an actor that hangs": {func(p *protocoltest.Pair) {
			p.B.Pause()
			p.A.Tell(p.A.Self(), hang(45*time.Second))
		}, &Total{}, "nothing is written"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := counting()
				spec.New = func() actor.Actor { return hanging{new(counter)} }
				p, err := protocoltest.Connect(spec, protocoltest.ByHand(counting()))
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				c.prepare(p)
				synctest.Wait()
				defer func() {
					if said, _ := recover().(string); !strings.Contains(said, "end A") || !strings.Contains(said, c.want) {
						t.Errorf("%q is missing in %q", c.want, said)
					}
				}()
				t.Error("filled with ", p.A.FillOutbox(c.msg))
			})
		})
	}
}

// hang makes an actor busy for that long.
type hang time.Duration

type hanging struct{ actor.Actor }

func (h hanging) Receive(ctx actor.Context) {
	if d, ok := ctx.Message().(hang); ok {
		<-time.After(time.Duration(d))
	}
	h.Actor.Receive(ctx)
}

func TestAwaitPassesOverOthers(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), protocoltest.ByHand(counting()))
	for n := range uint64(3) {
		send(t, p.A, &Add{N: n})
		send(t, p.A, &Total{N: n})
	}
	if got := protocoltest.Await[Total](p.B, nil); got.N != 0 {
		t.Errorf("the first total is %d", got.N)
	}
	if got := protocoltest.Await(p.B, func(total *Total) bool { return total.N == 2 }); got.N != 2 {
		t.Errorf("got total %d", got.N)
	}
}
