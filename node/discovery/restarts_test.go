package discovery

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestLineDuringRestarts: a caller that uses the line while sessions start and end gets an answer
// or an error, and soon.
func TestLineDuringRestarts(t *testing.T) {
	const users, crashes = 4, 2
	var answered, failed atomic.Int64
	onLine(t, func(_ *stage, c *Config) {
		c.Talk = map[string]TalkHandler{talk: func(*enode.Node, netip.AddrPort, []byte) []byte { return []byte("yes") }}
	}, func(s *stage, line *Line) {
		stop := make(chan struct{})
		var ended sync.WaitGroup
		for i := range users {
			r := s.addV5(fmt.Sprintf("8.8.%d.8:30303", i))
			count := func(err error) {
				if err != nil {
					failed.Add(1)
				} else {
					answered.Add(1)
				}
			}
			ended.Go(func() {
				for {
					start := time.Now()
					_, err := line.Ping(r.node())
					count(err)
					_, err = line.Record(r.node())
					count(err)
					_, err = line.Talk(r.node(), talk, nil)
					count(err)
					line.Learn(r.node())
					line.Neighbours()
					line.Known(r.local.ID())
					_ = line.Send(netip.MustParseAddrPort("8.8.8.1:1"), nil) // also while it fails
					if took := time.Since(start); took > 6*time.Second {
						t.Errorf("one round of calls took %v", took)
					}
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(i+1) * 7 * time.Millisecond):
					}
				}
			})
			ended.Go(func() {
				for {
					_, err := r.v5.TalkRequest(s.local.Node(), talk, nil)
					count(err)
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(i+1) * 7 * time.Millisecond):
					}
				}
			})
		}
		for n := range crashes {
			s.root.Send(s.pid, &supervise.Inject{})
			for range 600 {
				if s.restarts() > n {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(2 * time.Second) // calls that the crash left without answer end
			before := answered.Load()
			time.Sleep(100 * time.Millisecond)
			if s.restarts() != n+1 || answered.Load() == before {
				t.Errorf("%d restarts after %d crashes, and %d answers since the last one", s.restarts(), n+1, answered.Load()-before)
			}
		}
		s.root.Send(s.pid, &Leave{})
		<-s.stopped
		before := failed.Load()
		time.Sleep(time.Second)
		if failed.Load() == before {
			t.Error("no call fails after the actor has stopped")
		}
		close(stop)
		ended.Wait()
		t.Logf("%d answers, %d errors", answered.Load(), failed.Load())
	})
}
