package discovery

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// TestTalkHandlerPanics: a panic in a handler crashes the actor and sends an empty answer, and the
// actor is restarted.
func TestTalkHandlerPanics(t *testing.T) {
	var (
		r    *remote
		once sync.Once
	)
	onLine(t, func(s *stage, c *Config) {
		r = s.addV5("8.8.8.8:30303")
		c.Talk = map[string]TalkHandler{talk: func(*enode.Node, netip.AddrPort, []byte) []byte {
			once.Do(func() { panic("injected by the test") })
			return []byte("yes")
		}}
	}, func(s *stage, _ *Line) {
		if answer, err := r.v5.TalkRequest(s.local.Node(), talk, nil); err != nil || len(answer) > 0 {
			t.Errorf("answer %q, %v; want an empty one", answer, err)
		}
		time.Sleep(5 * time.Second)
		if answer, err := r.v5.TalkRequest(s.local.Node(), talk, nil); err != nil || string(answer) != "yes" {
			t.Errorf("after the restart: %q, %v", answer, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		var reason string
		for _, e := range s.journal {
			if e.Event == supervise.Failed {
				reason += e.Reason
			}
		}
		if want := "panic: injected by the test"; reason != want {
			t.Errorf("reasons of failure %q, want once %q", reason, want)
		}
	})
}

// TestTalkHandlerTalksAtTheEnd: a session that ends waits for the running handlers, and a Talk in a
// handler fails then: neither waits for the other.
func TestTalkHandlerTalksAtTheEnd(t *testing.T) {
	var (
		line   = NewLine()
		r      *remote
		begun  = make(chan struct{})
		result = make(chan error, 1)
	)
	perform(t, func(s *stage, c *Config) {
		r = s.addV5("8.8.8.8:30303")
		absent := enode.NewV4(&fixture.Key(t).PublicKey, []byte{8, 8, 8, 7}, 0, 1)
		c.V5, c.Line = true, line
		c.Talk = map[string]TalkHandler{talk: func(*enode.Node, netip.AddrPort, []byte) []byte {
			close(begun)
			_, err := line.Talk(absent, talk, nil)
			line.Learn(absent)
			result <- err
			return nil
		}}
	}, func(s *stage) {
		time.Sleep(time.Second)
		go func() { _, _ = r.v5.TalkRequest(s.local.Node(), talk, nil) }() // the end of the session interrupts it
		<-begun
		time.Sleep(10 * time.Millisecond)
		start := time.Now()
		s.root.Send(s.pid, &Leave{})
		<-s.stopped
		if took := time.Since(start); took >= leaveTime || len(result) != 1 || <-result == nil {
			t.Errorf("stopped after %v", took)
		}
	})
}

// discard reads all packets that have arrived and returns their number.
func discard(ends []*simEnd) (n int) {
	for _, e := range ends {
		for len(e.in) > 0 {
			<-e.in
			n++
		}
	}
	return n
}

// TestTalkFlood: TALKREQs as fast as the sessions can send them, to a slow handler, do not delay
// the answers to pings, and use no more memory than the handlers that may run.
func TestTalkFlood(t *testing.T) {
	const (
		flooders = 12 // times queueShare, which leaves room in the socket's queue
		rounds   = 60
		each     = queueShare - 1
	)
	var (
		running, most atomic.Int32
		honest        *remote
	)
	onLine(t, func(s *stage, c *Config) {
		honest = s.addV5("8.8.8.8:30303")
		c.Talk = map[string]TalkHandler{talk: func(*enode.Node, netip.AddrPort, []byte) []byte {
			n := running.Add(1)
			defer running.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(600 * time.Millisecond)
			return []byte("at last")
		}}
	}, func(s *stage, _ *Line) {
		var (
			all  []*flooder
			ends []*simEnd
		)
		for i := range flooders {
			end := s.net.listen(fmt.Sprintf("9.9.%d.9:30303", i))
			ends, all = append(ends, end), append(all, newFlooder(s.t, end, s.local.Node()))
		}
		if _, err := honest.v5.Ping(s.local.Node()); err != nil {
			t.Fatal(err)
		}
		before, pings := heap(), 0
		var longest time.Duration
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				start := time.Now()
				if _, err := honest.v5.Ping(s.local.Node()); err != nil {
					t.Errorf("ping %d: %v", pings, err)
				}
				pings++
				longest = max(longest, time.Since(start))
				select {
				case <-stop:
					return
				case <-time.After(7 * time.Millisecond):
				}
			}
		}()
		answers := 0
		for round := range rounds {
			for _, f := range all {
				for i := range each {
					f.send(f.encode(&v5wire.TalkRequest{ReqID: []byte{byte(round), byte(i)}, Protocol: talk, Message: junk(100)}, nil))
				}
			}
			time.Sleep(20 * time.Millisecond) // simulated time: everything is handled
			answers += discard(ends)
		}
		close(stop)
		<-stopped
		time.Sleep(time.Second)
		answers += discard(ends)
		after, st := heap(), s.status()
		t.Logf("%d requests, %d answers, %d refused; at most %d handlers at once; %d pings, the longest %v; heap %d KiB before, %d KiB after",
			flooders*rounds*each, answers, st.TalksRefused, most.Load(), pings, longest, before>>10, after>>10)
		if longest >= 300*time.Millisecond {
			t.Errorf("a ping was answered after %v", longest)
		}
		if most.Load() != maxTalking || st.TalksRefused == 0 {
			t.Errorf("%d handlers at once and %d requests refused; want %d handlers and some refused requests", most.Load(), st.TalksRefused, maxTalking)
		}
		if after-before > 16<<20 {
			t.Errorf("the heap grew by %d KiB", (after-before)>>10)
		}
	})
}
