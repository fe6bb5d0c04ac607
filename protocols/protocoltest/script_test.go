package protocoltest_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

func wantTotal(n uint64) protocoltest.Line {
	return protocoltest.Hear(func(got *Total) error {
		if got.N != n {
			return errors.New("unexpected total")
		}
		return nil
	})
}

func TestScript(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), protocoltest.Script(counting(),
		protocoltest.Say(&Add{N: 4}),
		protocoltest.Say(&Ask{}),
		wantTotal(4),
		protocoltest.Say(&Ask{}),
		protocoltest.Answer(func(got *Total) any { return &Add{N: 10 * got.N} }),
		protocoltest.Say(&Ask{}),
		wantTotal(44),
		protocoltest.Quit(protocols.DiscUselessPeer),
	))
	p.B.Played()
	if c := p.A.Wait(); c.Side != protocols.Remote || c.Reason != protocols.DiscUselessPeer {
		t.Errorf("A ended with %v", c)
	}
	p.B.Played() // still
}

// TestScriptEach: lines of Each answer what no other line waits for, and still answer after the
// script.
func TestScriptEach(t *testing.T) {
	p := protocoltest.NewPair(t, protocoltest.ByHand(counting()), protocoltest.Script(counting(),
		protocoltest.Each(func(*Ask) any { return &Total{N: 1} }),
		protocoltest.Each(func(*Add) any { return nil }),
		protocoltest.Answer(func(*Total) any { return &Total{N: 2} }),
	))
	for _, msg := range []any{&Ask{}, &Add{}, &Total{}, &Ask{}, &Total{}, &Ask{}} {
		send(t, p.A, msg)
	}
	for i, want := range []uint64{1, 2, 1, 1} {
		if got := protocoltest.Next[Total](p.A); got.N != want {
			t.Errorf("answer %d is %d, want %d", i, got.N, want)
		}
	}
	p.B.Played()
}

// TestScriptOutlivesACrash: the remote's actor is restarted as well.
func TestScriptOutlivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, counting(), protocoltest.CrashBefore(protocoltest.Script(counting(),
			protocoltest.Each(func(*Ask) any { return &Add{N: 5} }),
			protocoltest.Say(&Ask{}),
			wantTotal(0), // crashes
		), 1))
		synctest.Wait()
		if got := p.B.Restarts(); got != 1 {
			t.Errorf("%d restarts", got)
		}
		send(t, p.A, &Ask{})
		send(t, p.A, &Total{})
		p.B.Played()
		synctest.Wait()
		if got := *protocols.State[uint64](p.A.Link); got != 5 {
			t.Errorf("A counted %d, want 5 from the lines of Each", got)
		}
	})
}

// TestScriptWaitsForRoom: a full outbox delays a line, and loses none.
func TestScriptWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []protocoltest.Line
		for range 200 {
			lines = append(lines, protocoltest.Say(&Add{N: 1}))
		}
		lines = append(lines, protocoltest.Say(&Ask{}), protocoltest.Answer(func(got *Total) any { return &Add{N: got.N} }))
		spec := protocoltest.Script(counting(), lines...)
		spec.Limits.Outbox = 500
		p := protocoltest.NewPair(t, counting(), protocoltest.FullOutboxAt(spec, &Add{N: 1}, 1), protocoltest.Buffer(300))
		synctest.Wait()
		p.B.Played()
		if got := *protocols.State[uint64](p.A.Link); got < 400 {
			t.Errorf("A counted %d, want 200, the same again and the filling", got)
		}
	})
}

func TestScriptFails(t *testing.T) {
	type (
		Get struct{ ID uint64 }
		Got struct{ ID, N uint64 }
	)
	asking := protocols.Spec{Name: "get", Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
		protocols.Type[Get](), protocols.Type[Got](protocols.Answers[Get]()),
	}}}, New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }}
	one := func(lines ...protocoltest.Line) []protocoltest.Line { return lines }
	for name, c := range map[string]struct {
		spec  protocols.Spec
		lines []protocoltest.Line
		want  []string
	}{
		"another message": {counting(), one(protocoltest.Say(&Ask{}), protocoltest.Hear[Add]()), []string{"line 2", "Add", "*protocoltest_test.Total &{N:0}"}},
		"a check":         {counting(), one(protocoltest.Say(&Ask{}), wantTotal(7)), []string{"line 2", "N:0", "unexpected total"}},
		"no message":      {counting(), one(protocoltest.Say("text")), []string{"line 1", "string"}},
		"no request":      {counting(), one(protocoltest.Ask(&Ask{})), []string{"line 1", "Answers"}},
		"no answer":       {asking, one(protocoltest.Ask(&Get{}), protocoltest.Hear[Got]()), []string{"line 2", "no answer to *protocoltest_test.Get", "in time"}},
		"silence":         {counting(), one(protocoltest.Hear[Total]()), []string{"30s", "still waits at line 1"}},
		"the link's end":  {counting(), one(protocoltest.Quit(protocols.DiscRequested), protocoltest.Hear[Total]()), []string{"line 2", "link has ended", "requested"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := protocoltest.Connect(c.spec, protocoltest.Script(c.spec, c.lines...))
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				defer func() {
					said, _ := recover().(string)
					for _, want := range append(c.want, "end B") {
						if !strings.Contains(said, want) {
							t.Errorf("%q is missing in %q", want, said)
						}
					}
				}()
				p.B.Played()
				t.Error("Played returned")
			})
		})
	}
}

// TestScriptAsksAndKeepsRaw: a raw message is a copy, and a request gets its answer.
func TestScriptAsksAndKeepsRaw(t *testing.T) {
	type (
		Get struct{ ID uint64 }
		Got struct{ ID, N uint64 }
	)
	spec := protocols.Spec{Name: "get", Versions: []protocols.Version{{Number: 1, Length: 3, Messages: []protocols.Message{
		protocols.Type[Get](), protocols.Type[Got](protocols.Answers[Get]()), protocols.Raw(),
	}}}, New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }}
	var raw []*protocols.RawMessage
	keep := func(m *protocols.RawMessage) error { raw = append(raw, m); return nil }
	p := protocoltest.NewPair(t, protocoltest.ByHand(spec), protocoltest.Script(spec,
		protocoltest.Ask(&Get{}), protocoltest.Hear[Got](), protocoltest.Hear(keep), protocoltest.Hear(keep)))
	send(t, p.A, &Got{ID: protocoltest.Next[Get](p.A).ID})
	for i := range byte(2) {
		send(t, p.A, &protocols.RawMessage{Code: 2, Payload: []byte{i}})
	}
	p.B.Played()
	if raw[0].Payload[0] != 0 || raw[1].Payload[0] != 1 {
		t.Errorf("raw messages are %v and %v", raw[0].Payload, raw[1].Payload)
	}
}
