package actors

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// TestR2UnreadAnswersHoldBackQuestions: a remote that asks and does not read its answers is held
// back, and the link ends after 20 s.
func TestR2UnreadAnswersHoldBackQuestions(t *testing.T) {
	for _, tt := range []struct {
		name      string
		questions int
		want      error
	}{
		{"more than the node would read", 20_000, ErrMutualBackpressure},
		{"as many as the node reads", 200, ErrWriteTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				var answered atomic.Int64
				s := &script{}
				s.message = func(actor.Context, Inbound) error { answered.Add(1); return s.Send(1, noise(10_000)) }
				r := meet(t, s.protocol("a"))
				begin := time.Now()
				r.flood(tt.questions, 16, noise(200))
				synctest.Wait()
				// These are in the connection, in the outbox, and in one grant.
				if n, limit := answered.Load(), int64(DefaultHighWater+4*quantum)/10_000; n == 0 || n > limit {
					t.Errorf("%d questions were answered, want at most %d", n, limit)
				}
				if fill := s.outbox.fill(); fill > DefaultHighWater+11_000 {
					t.Errorf("%d bytes of answers wait", fill)
				}
				r.wantCause(Local, wire.DiscReadTimeout, tt.want)
				if took := time.Since(begin); took < writeTimeout || took > writeTimeout+writeSlice+farewellTimeout {
					t.Errorf("link ended after %v", took)
				}
			})
		})
	}
}

// TestR2OthersSendNoAnswers: only what the behaviour's own handle sends while its handler is at
// work holds the remote back. What other senders queue meanwhile does not, however much it is:
// two nodes that write to each other without end would both stop reading.
func TestR2OthersSendNoAnswers(t *testing.T) {
	fill := func(send func(code uint64, payload []byte) error) {
		for send(1, noise(10_000)) == nil {
		}
	}
	elsewhere := func(f func()) {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}
	for _, tt := range []struct {
		name string
		fill func(s *script, inAnotherLink func(f func()))
		over bool
	}{
		{"another goroutine", func(s *script, _ func(func())) { elsewhere(func() { fill(s.Host.Send) }) }, false},
		{"another link's handler", func(s *script, there func(func())) { there(func() { fill(s.Host.Send) }) }, false},
		{"the handler, by the shared Send", func(s *script, _ func(func())) { fill(s.Host.Send) }, false},
		{"the handler", func(s *script, _ func(func())) { fill(s.Answer) }, true},
		{"the own handle on another goroutine", func(s *script, _ func(func())) { elsewhere(func() { fill(s.Answer) }) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s, filled, goOn := &script{}, make(chan struct{}), make(chan struct{})
				other, work := &script{}, make(chan func(), 1)
				other.message = func(actor.Context, Inbound) error { (<-work)(); return nil }
				s.message = func(actor.Context, Inbound) error {
					tt.fill(s, func(f func()) {
						done := make(chan struct{})
						work <- func() { f(); close(done) }
						<-done
					})
					close(filled)
					<-goOn
					return nil
				}
				r, o := meet(t, s.protocol("a")), meet(t, other.protocol("b"))
				o.send(16, nil)
				r.send(16, nil)
				<-filled
				if over := s.outbox.over(); over != tt.over {
					t.Errorf("the remote is held back: %v; %d bytes of answers wait, one is owed: %v",
						over, s.outbox.answers.Load(), s.outbox.answerOwed.Load())
				}
				close(goOn)
				close(work)
				r.conn.Close()
			})
		})
	}
}

// TestR2OwnHandleOutsideOfAHandler: outside of a handler the own handle sends no answers either,
// because no message of the remote caused them.
func TestR2OwnHandleOutsideOfAHandler(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, filled := &script{}, make(chan struct{})
		r := meet(t, s.protocol("a"))
		s.tell(func(actor.Context) {
			defer close(filled)
			for s.Answer(1, noise(10_000)) == nil {
			}
		})
		<-filled
		if s.outbox.over() {
			t.Errorf("the remote is held back: %d bytes of answers wait", s.outbox.answers.Load())
		}
		r.conn.Close()
	})
}

// TestR2LinksThatForwardToEachOther: each of two links sends on the other link what it receives,
// as gossip does, and drops what finds no room. Both remotes write without end and read slowly,
// and the node itself writes as much as both outboxes take. What the other link's handler sends
// never stops the node from reading either remote, and memory stays within the limits.
func TestR2LinksThatForwardToEachOther(t *testing.T) {
	for _, tt := range []struct {
		name string
		loud [2]bool // whether the remote writes without end, or one small message a second
	}{
		{"the first remote writes without end", [2]bool{true, false}},
		{"the second remote writes without end", [2]bool{false, true}},
		{"both remotes write without end", [2]bool{true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) { forwardToEachOther(t, tt.loud) })
		})
	}
}

func forwardToEachOther(t *testing.T, loud [2]bool) {
	const (
		size         = 10_000
		readInterval = 100 * time.Millisecond // from one read to the next: the outboxes stay full
	)
	var links [2]*script
	var remotes [2]*remote
	var handled [2]atomic.Int64
	for i := range links {
		links[i] = &script{}
		links[i].message = func(_ actor.Context, in Inbound) error {
			handled[i].Add(1)
			_ = links[1-i].Host.Send(1, in.Payload)
			<-time.After(time.Duration(30+17*i) * time.Millisecond) // so that the handlers overlap
			_ = links[1-i].Host.Send(1, in.Payload)
			return nil
		}
		remotes[i] = meet(t, links[i].protocol("a"))
	}
	for i, r := range remotes {
		r.readOn(readInterval)
		r.aside(func() {
			payload := noise(size)
			for {
				if !loud[i] {
					payload = payload[:1]
					<-time.After(time.Second)
				}
				if _, err := r.conn.Write(r.seal(16, payload)); err != nil {
					return
				}
			}
		})
		r.aside(func() {
			payload := noise(size)
			for links[i].Host.Send(2, payload) != ErrLinkDown {
				<-time.After(20 * time.Millisecond)
			}
		})
	}
	var before [2]int64
	for range 4 {
		actortest.After(15 * time.Second)
		for i, s := range links {
			now := handled[i].Load()
			if now < before[i]+5 {
				t.Errorf("link %d handled %d messages of its remote in 15 s", i, now-before[i])
			}
			before[i] = now
			// A batch may pin a read buffer and an arena in addition to its messages.
			if fill, used := s.outbox.fill(), s.credit.used.Load(); fill > DefaultOutboxLimit || used > DefaultBudget+2*largeBuffer {
				t.Errorf("link %d holds %d bytes to write and %d bytes to handle", i, fill, used)
			}
			if cause := remotes[i].link.Cause(); cause != nil {
				t.Fatalf("link %d has ended: %v", i, cause)
			}
		}
	}
	for _, r := range remotes {
		r.conn.Close()
	}
}

// TestR2SlowReaderGetsAllAnswers: a remote that reads before the timeout gets all answers,
// however slowly it reads.
func TestR2SlowReaderGetsAllAnswers(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const questions = 500
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error { return s.Send(1, append(noise(10_000), in.Payload...)) }
		r := meet(t, s.protocol("a"))
		go func() {
			for i := range questions {
				if _, err := r.conn.Write(r.seal(16, text("%d", i))); err != nil {
					return
				}
			}
		}()
		for i := range questions {
			actortest.After(time.Second)
			if p := r.expect(17); string(p.payload[10_000:]) != fmt.Sprint(i) {
				t.Fatalf("answer %d is %q", i, p.payload[10_000:])
			}
		}
	})
}

// TestR2BothAskAndAnswer: two nodes that ask each other more than the connection holds do not
// deadlock, as long as the number of messages in flight is bounded.
func TestR2BothAskAndAnswer(t *testing.T) {
	const questions, inFlight = 300, 16
	for name, connect := range map[string]func(testing.TB, []Protocol, []Protocol) *rig{"memory": connect, "TCP": connectTCP} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{}, 2)
			asks := func() *script {
				s, sent, got := &script{}, 0, 0
				ask := func() {
					for sent < questions && sent < got+inFlight && s.Send(0, noise(16<<10)) == nil {
						sent++
					}
				}
				s.up = func(actor.Context) { ask() }
				s.drained = s.up
				s.message = func(_ actor.Context, in Inbound) error {
					if in.Code == 0 {
						return s.Send(1, in.Payload)
					}
					if got++; got == questions {
						done <- struct{}{}
					}
					ask()
					return nil
				}
				return s
			}
			r := connect(t, []Protocol{asks().protocol("a")}, []Protocol{asks().protocol("a")})
			for range 2 {
				select {
				case <-done:
				case e := <-r.a.ended:
					t.Fatalf("ended: %v", e.Cause)
				case <-time.After(time.Minute):
					t.Fatal("not done within a minute")
				}
			}
		})
	}
}

// TestR2NothingIsAskedAfterARefusal: the remote cannot grow what a behaviour keeps until Drained,
// because nothing is delivered between a refusal and its Drained.
func TestR2NothingIsAskedAfterARefusal(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var log []string
		s := &script{}
		var kept [][]byte
		send := func(payload []byte) {
			if s.Send(1, payload) != nil {
				kept = append(kept, payload)
			}
		}
		s.message = func(actor.Context, Inbound) error {
			log = append(log, "ask")
			send(noise(700 << 10)) // above half of the limit, below high water
			return nil
		}
		s.drained = func(actor.Context) {
			log = append(log, "drained")
			again := kept
			kept = nil
			for _, payload := range again {
				send(payload)
			}
		}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.HighWater = 10 << 20 }))
		r.flood(5, 16, nil)
		synctest.Wait()
		if len(kept) > 1 {
			t.Errorf("%d answers are kept", len(kept))
		}
		for range 5 {
			r.expect(17)
		}
		synctest.Wait()
		if got := strings.Join(log, " "); got != "ask ask drained ask drained ask drained ask drained" {
			t.Errorf("delivered: %s", got)
		}
	})
}

// TestR3MessagesKeepTheirOrder: three protocols, messages of all sizes, reads that split them
// arbitrarily, and one protocol that crashes now and then.
func TestR3MessagesKeepTheirOrder(t *testing.T) {
	const count = 600
	actortest.Bubble(t, func(t *testing.T) {
		var scripts []*script
		var protocols []Protocol
		got := make([][]string, 3)
		for i := range 3 {
			s := &script{}
			s.message = func(_ actor.Context, in Inbound) error {
				number, _, _ := strings.Cut(string(in.Payload), ":")
				got[i] = append(got[i], number)
				switch {
				case i == 0 && len(got[i])%10 == 0: // gets no message until its answer is written
					return s.SendSeq(numbered(20, 20_000, nil))
				case i == 1 && len(got[i])%50 == 0:
					panic("now and then")
				case i == 2: // is slow
					<-time.After(3 * time.Millisecond)
				}
				return nil
			}
			scripts = append(scripts, s)
			protocols = append(protocols, s.protocol(string(rune('a'+i)), func(p *Protocol) {
				p.Intensity, p.Budget = supervise.Intensity{Restarts: -1}, 500_000
			}))
		}
		r := meet(t, protocols...)
		r.readOn(5 * time.Millisecond)
		var stream []byte
		for n := range count {
			payload := text("%d:", n/3)
			switch n % 7 {
			case 1:
				payload = append(payload, noise(5000)...)
			case 2:
				payload = append(payload, make([]byte, 90_000)...)
			case 3:
				payload = append(payload, noise(200_000)...)
			}
			stream = append(stream, r.seal(uint64(16+n%3*16), payload)...)
		}
		for n := 1; len(stream) > 0; n = n*7%4099 + 1 {
			n = min(n, len(stream))
			r.write(stream[:n])
			stream = stream[n:]
		}
		actortest.After(2 * time.Minute)
		for i := range got {
			for n, number := range got[i] {
				if number != fmt.Sprint(n) {
					t.Fatalf("protocol %d: message %d has number %q", i, n, number)
				}
			}
			if len(got[i]) != count/3 {
				t.Errorf("protocol %d got %d of %d messages", i, len(got[i]), count/3)
			}
		}
		if scripts[1].incarnations.Load() != 5 {
			t.Errorf("the second protocol had %d incarnations", scripts[1].incarnations.Load())
		}
	})
}

// TestR4PanicLosesOneMessage: of a batch that arrived in one read, the message that crashes is
// lost and nothing else; what was sent before the crash is written.
func TestR4PanicLosesOneMessage(t *testing.T) {
	for _, tt := range []struct {
		name         string
		crashes      func(number int) bool
		incarnations int64
	}{
		{"every tenth", func(n int) bool { return n%10 == 9 }, 11},
		{"the first", func(n int) bool { return n == 0 }, 2},
		{"the last", func(n int) bool { return n == 99 }, 2},
		{"three in a row", func(n int) bool { return n >= 50 && n < 53 }, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				s.message = func(_ actor.Context, in Inbound) error {
					var number int
					if _, err := fmt.Sscan(string(in.Payload), &number); err != nil {
						return err
					}
					_ = s.Send(1, in.Payload)
					if tt.crashes(number) {
						panic("requested")
					}
					return s.Send(2, in.Payload)
				}
				r := meet(t, s.protocol("a", func(p *Protocol) { p.Intensity = supervise.Intensity{Restarts: -1} }))
				var burst []byte
				for n := range 100 {
					burst = append(burst, r.seal(16, text("%d", n))...)
				}
				r.write(burst)
				for n := range 100 {
					if p := r.expect(17); string(p.payload) != fmt.Sprint(n) {
						t.Fatalf("got %q before the crash point, want %d", p.payload, n)
					}
					if tt.crashes(n) {
						continue
					}
					if p := r.expect(18); string(p.payload) != fmt.Sprint(n) {
						t.Fatalf("got %q, want %d", p.payload, n)
					}
				}
				if incarnations := s.incarnations.Load(); incarnations != tt.incarnations || s.ups.Load() != incarnations {
					t.Errorf("%d incarnations, Up was called %d times, want %d", incarnations, s.ups.Load(), tt.incarnations)
				}
				if n := len(r.node.book.Of("a", supervise.Failed)); int64(n) != tt.incarnations-1 {
					t.Errorf("the journal has %d failures", n)
				}
				synctest.Wait()
				if used := s.credit.used.Load(); used != 0 {
					t.Errorf("%d bytes of credit were not returned", used)
				}
			})
		})
	}
}

// TestR4OtherEndsLoseNothing: an injected crash, a crash in another method, and the stop of a
// permanent protocol lose no message at all.
func TestR4OtherEndsLoseNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *script)
	}{
		{"injected", func(s *script) { s.link.root.Send(s.PID(), &supervise.Inject{}) }},
		{"in another actor's message", func(s *script) { s.tell(func(actor.Context) { panic("requested") }) }},
		{"a stop", func(s *script) { s.tell(func(ctx actor.Context) { ctx.Stop(ctx.Self()) }) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				var got []string
				s, hold := &script{}, make(chan struct{})
				s.message = func(_ actor.Context, in Inbound) error {
					got = append(got, string(in.Payload))
					return s.Send(1, in.Payload)
				}
				r := meet(t, s.protocol("a", func(p *Protocol) { p.Restart = supervise.Permanent }))
				var want []string
				for n := range 50 {
					if n == 25 { // the rest arrives after the end
						synctest.Wait()
						s.tell(func(actor.Context) { <-hold })
						tt.end(s)
					}
					want = append(want, fmt.Sprint(n))
					r.send(16, text("%d", n))
				}
				synctest.Wait()
				close(hold)
				for _, number := range want {
					if p := r.expect(17); string(p.payload) != number {
						t.Fatalf("got answer %q, want %s", p.payload, number)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("handled %v", got)
				}
				if s.incarnations.Load() != 2 || s.downs.Load() != 0 {
					t.Errorf("%d incarnations, Down was called %d times", s.incarnations.Load(), s.downs.Load())
				}
			})
		})
	}
}
