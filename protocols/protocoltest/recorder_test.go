package protocoltest_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r protocoltest.Recorder
		p := protocoltest.NewPair(t, protocoltest.CrashBefore(counting(), 1), protocoltest.ByHand(counting()), protocoltest.Record(&r))
		p.SetLatency(time.Second)
		begin := time.Now()
		send(t, p.B, &Add{N: 2})
		send(t, p.B, &Ask{})
		protocoltest.Next[Total](p.B)
		want := "B: Add{N:2}\nB: Ask{}\nA: Total{N:0}\n" // the Add crashed the actor
		if got := r.String(); got != want {
			t.Errorf("passed:\n%swant\n%s", got, want)
		}
		passed := r.Passed()
		for i, p := range passed {
			if p.Err != nil || p.Size == 0 {
				t.Errorf("%v is %+v", p, p)
			}
			if after, want := p.At.Sub(begin), []time.Duration{time.Second, time.Second, 2 * time.Second}[i]; after != want {
				t.Errorf("%v was read after %v, want %v", p, after, want)
			}
		}
		if add, ok := passed[0].Message.(*Add); !ok || add.N != 2 || passed[0].Code != 0 {
			t.Errorf("the first is %+v", passed[0])
		}
	})
}

// TestRecorderSeesAll: it records what the kit handles itself, answers and handshakes, and
// invalid messages.
func TestRecorderSeesAll(t *testing.T) {
	type (
		Hello  struct{ Name string }
		Get    struct{ ID uint64 }
		Got    struct{ ID, N uint64 }
		Strict struct{ A, B uint64 }
	)
	spec := func(name string) protocols.Spec {
		hello := protocols.Exchange(func(*protocols.Link) Hello { return Hello{name} }, func(*protocols.Link, *Hello) error { return nil })
		return protocols.Spec{Name: "all", Versions: []protocols.Version{{
			Number: 1, Length: 5, Handshake: hello, Messages: []protocols.Message{
				protocols.Type[Hello](), protocols.Type[Get](), protocols.Type[Got](protocols.Answers[Get]()), protocols.Raw(), protocols.Type[Strict](),
			},
		}}, New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }}
	}
	loose := spec("B")
	loose.Versions[0].Messages[4] = protocols.Raw()
	var r protocoltest.Recorder
	p := protocoltest.NewPair(t, spec("A"), protocoltest.ByHand(loose), protocoltest.Record(&r))
	if _, err := p.A.Ask(&Get{}); err != nil {
		t.Fatal(err)
	}
	send(t, p.B, &Got{ID: protocoltest.Next[Get](p.B).ID, N: 9})
	send(t, p.B, &protocols.RawMessage{Code: 3, Payload: []byte{0xc0}})
	send(t, p.B, &protocols.RawMessage{Code: 4, Payload: []byte{0xc1, 0x05}})
	passed := r.Wait(6)
	for _, want := range []string{"A: Hello{Name:A}", "B: Hello{Name:B}", "A: Get{ID:", "B: Got{ID:", " N:9}", "B: 0x03, 1 bytes", "B: 0x04, 2 bytes"} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &r)
		}
	}
	if last := passed[len(passed)-1]; last.Err == nil || !strings.Contains(last.Err.Error(), "too few elements") {
		t.Errorf("an invalid Strict was recorded as %+v", last)
	}
	var wrong *protocols.DecodeError
	if c := p.A.Wait(); !errors.As(c, &wrong) {
		t.Errorf("ended with %v", c)
	}
}

func TestRecorderWaitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r protocoltest.Recorder
		p, err := protocoltest.Connect(counting(), protocoltest.ByHand(counting()), protocoltest.Record(&r))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		send(t, p.B, &Add{N: 3})
		defer func() {
			if said, _ := recover().(string); !strings.Contains(said, "1 messages passed, 2 wanted") || !strings.Contains(said, "B: Add{N:3}") {
				t.Errorf("failed with %q", said)
			}
		}()
		t.Error("Wait returned ", r.Wait(2))
	})
}
