package protocoltest_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// The protocol of these examples is a tally: it counts each Vote, and answers a Count with the
// Result. The link stores the count. A Result that finds the outbox full waits in the actor until
// there is room.
type (
	Vote   struct{ For string }
	Count  struct{}
	Result struct{ Votes uint64 }
)

type tally struct {
	link *protocols.Link
	owed bool // a Result found no room
}

func (t *tally) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		t.link = msg.Link
	case *Vote:
		*protocols.State[uint64](t.link)++
	case *Count, announce:
		t.result()
	case *protocols.Drained:
		if t.owed {
			t.result()
		}
	}
}

// announce makes the actor send the result without a Count.
type announce struct{}

func (t *tally) result() {
	err := t.link.Send(&Result{Votes: *protocols.State[uint64](t.link)})
	if t.owed = errors.Is(err, protocols.ErrOutboxFull); err != nil && !t.owed {
		t.link.DisconnectWithError(protocols.DiscRequested, err)
	}
}

func TallySpec() protocols.Spec {
	return protocols.Spec{
		Name: "tally",
		Versions: []protocols.Version{{Number: 1, Length: 3, Messages: []protocols.Message{
			protocols.Type[Vote](), protocols.Type[Count](), protocols.Type[Result](),
		}}},
		New: func() actor.Actor { return new(tally) },
	}
}

// pair links a tally with an end that the example controls. Tests use NewPair instead, which
// closes the link and fails the test by itself.
func pair(a, b protocols.Spec, opts ...protocoltest.Option) *protocoltest.Pair {
	p, err := protocoltest.Connect(a, b, opts...)
	if err != nil {
		panic(err)
	}
	return p
}

// A restart in five lines: the actor crashes after the first vote, and the link keeps the count.
func Example_restart() {
	p := pair(protocoltest.CrashAfter(TallySpec(), 1), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	_ = p.B.Send(&Vote{For: "blue"})
	_ = p.B.Send(&Count{})
	fmt.Println(protocoltest.Next[Result](p.B).Votes, "vote after", p.A.Restarts(), "restart")
	// Output:
	// 1 vote after 1 restart
}

// Backpressure in five lines: when the first message arrives, the actor finds its outbox full and
// its Result is refused. The actor receives Drained when there is room, and sends the Result.
func Example_backpressure() {
	p := pair(protocoltest.FullOutboxAt(TallySpec(), &Count{}, 1), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	_ = p.B.Send(&Count{})
	result := protocoltest.Await[Result](p.B, nil)
	fmt.Println("the result arrived in the end:", result.Votes)
	// Output:
	// the result arrived in the end: 0
}

// A remote that does not read: what the actor sends waits, and arrives when the remote reads
// again.
func ExampleEnd_Pause() {
	p := pair(TallySpec(), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	p.B.Pause()
	_ = p.B.Send(&Count{})
	p.B.Resume()
	fmt.Println(protocoltest.Next[Result](p.B).Votes)
	// Output:
	// 0
}

// A message that finds the outbox full must not get lost.
func ExampleFullOutboxAt() {
	p := pair(protocoltest.FullOutboxAt(TallySpec(), &Count{}, 2), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	_ = p.B.Send(&Vote{For: "blue"})
	_ = p.B.Send(&Count{})
	fmt.Println(protocoltest.Await[Result](p.B, nil).Votes)
	// Output:
	// 1
}

// A message that crashes the actor before any work was done is lost, as with a bug in the code.
// The rest of what the remote sent is handled.
func ExampleCrashBefore() {
	p := pair(protocoltest.CrashBefore(TallySpec(), 2), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	for _, party := range []string{"blue", "red", "green"} {
		_ = p.B.Send(&Vote{For: party})
	}
	_ = p.B.Send(&Count{})
	fmt.Println(protocoltest.Next[Result](p.B).Votes, "of 3 votes")
	// Output:
	// 2 of 3 votes
}

// The work of the message is done, and the state in the actor is lost.
func ExampleCrashAfter() {
	p := pair(protocoltest.CrashAfter(TallySpec(), 2, 3), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	for _, party := range []string{"blue", "red", "green"} {
		_ = p.B.Send(&Vote{For: party})
	}
	_ = p.B.Send(&Count{})
	fmt.Println(protocoltest.Next[Result](p.B).Votes, "of 3 votes")
	// Output:
	// 3 of 3 votes
}

// A full outbox refuses each Send at once.
func ExampleEnd_FillOutbox() {
	p := pair(TallySpec(), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	p.B.Pause()
	p.A.FillOutbox(&Vote{For: "red"})
	fmt.Println(p.A.Send(&Vote{For: "blue"}))
	// Output:
	// outbox full
}

// A remote with a script: it votes, asks, and expects its one vote in the result.
func ExampleScript() {
	p := pair(TallySpec(), protocoltest.Script(TallySpec(),
		protocoltest.Say(&Vote{For: "blue"}),
		protocoltest.Say(&Count{}),
		protocoltest.Hear(func(r *Result) error {
			if r.Votes != 1 {
				return fmt.Errorf("%d votes", r.Votes)
			}
			return nil
		}),
		protocoltest.Quit(protocols.DiscRequested),
	))
	defer p.Close()
	p.B.Played()
	fmt.Println(p.A.Wait())
	// Output:
	// remote: disconnect requested
}

// A remote that always answers, whatever else the test does.
func ExampleEach() {
	p := pair(protocoltest.ByHand(TallySpec()), protocoltest.Script(TallySpec(),
		protocoltest.Each(func(*Count) any { return &Result{Votes: 1000} }),
	))
	defer p.Close()
	for range 2 {
		_ = p.A.Send(&Count{})
		fmt.Println(protocoltest.Next[Result](p.A).Votes)
	}
	// Output:
	// 1000
	// 1000
}

// Await skips messages that the test does not need.
func ExampleAwait() {
	p := pair(TallySpec(), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	for n := range uint64(100) {
		_ = p.A.Send(&Result{Votes: n})
	}
	fmt.Println(protocoltest.Await(p.B, func(r *Result) bool { return r.Votes > 41 }).Votes)
	// Output:
	// 42
}

// A Recorder shows the whole conversation.
func ExampleRecorder() {
	var said protocoltest.Recorder
	p := pair(TallySpec(), protocoltest.ByHand(TallySpec()), protocoltest.Record(&said))
	defer p.Close()
	_ = p.B.Send(&Vote{For: "blue"})
	_ = p.B.Send(&Count{})
	said.Wait(3)
	fmt.Print(&said)
	// Output:
	// B: Vote{For:blue}
	// B: Count{}
	// A: Result{Votes:1}
}

// A slow network, here with 30 ms each way. In a synctest bubble it takes no time.
func ExamplePair_SetLatency() {
	p := pair(TallySpec(), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	p.SetLatency(30 * time.Millisecond)
	asked := time.Now()
	_ = p.B.Send(&Count{})
	protocoltest.Next[Result](p.B)
	fmt.Println(time.Since(asked) >= 60*time.Millisecond)
	// Output:
	// true
}

// A network that is down for a while loses nothing, because it carries TCP.
func ExamplePair_SetDown() {
	p := pair(TallySpec(), protocoltest.ByHand(TallySpec()))
	defer p.Close()
	p.SetDown(true)
	_ = p.B.Send(&Vote{For: "blue"})
	_ = p.B.Send(&Count{})
	p.SetDown(false)
	fmt.Println(protocoltest.Next[Result](p.B).Votes)
	// Output:
	// 1
}

// The loss of the link: both ends detect it, and the actors receive LinkDown.
func ExamplePair_Cut() {
	p := pair(TallySpec(), TallySpec())
	defer p.Close()
	p.Cut()
	fmt.Println(p.A.Wait().Side)
	fmt.Println(p.B.Wait().Side)
	// Output:
	// network
	// network
}
