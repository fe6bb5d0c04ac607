package actors

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// TestRemainingMessages: what the remote sent before the link's end is handled before Down, in order, also
// while the protocol is late.
func TestRemainingMessages(t *testing.T) {
	const late = 100 * time.Millisecond
	quit := func(r *remote) { r.send(wire.DiscMsg, wire.AppendDisconnect(nil, wire.DiscQuitting)) }
	for _, tt := range []struct {
		name string
		end  func(r *remote, s *script)
		want string
	}{
		{"the remote disconnects", func(r *remote, _ *script) { quit(r) }, "[0 1 2 3 down]"},
		{"the remote closes", func(r *remote, _ *script) { r.conn.Close() }, "[0 1 2 3 down]"},
		{"the node disconnects", func(r *remote, _ *script) { r.link.Disconnect(wire.DiscQuitting, nil) }, "[0 down]"},
		{"the protocol accepts nothing", func(r *remote, _ *script) { quit(r) }, "[0 down]"},
		{"a message too slow", func(r *remote, _ *script) {
			r.send(16+4, nil)
			r.send(16+5, nil)
			quit(r)
		}, "[0 1 2 3 4 down]"},
		{"a panic", func(r *remote, _ *script) {
			r.send(16+6, nil)
			r.send(16+7, nil)
			quit(r)
		}, "[0 1 2 3 6 down]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				var log []any
				s := &script{}
				s.message = func(_ actor.Context, in Inbound) error {
					log = append(log, in.Code)
					switch in.Code {
					case 0:
						time.Sleep(late) // the link ends meanwhile
						s.Hold(tt.name == "the protocol accepts nothing")
					case 3:
						if err := s.Host.Send(0, nil); s.link.Cause() != nil && !errors.Is(err, ErrLinkDown) {
							t.Errorf("a send after the end: %v", err)
						}
					case 4:
						time.Sleep(remainingTimeout)
					case 6:
						panic(errTest)
					}
					return nil
				}
				s.down = func(actor.Context, *Cause) { log = append(log, "down") }
				r := meet(t, s.protocol("a"))
				synctest.Wait()
				r.send(16, nil)
				synctest.Wait() // it is being handled
				for code := uint64(1); code <= 3; code++ {
					r.send(16+code, nil)
				}
				tt.end(r, s)
				time.Sleep(time.Second)
				synctest.Wait()
				if got := fmt.Sprint(log); got != tt.want {
					t.Errorf("got %v, want %s", got, tt.want)
				}
				failed := len(r.node.book.Of("a", supervise.Failed))
				if want := map[bool]int{true: 1}[tt.name == "a panic"]; failed != want {
					t.Errorf("%d crashes in the journal, want %d", failed, want)
				}
				r.conn.Close()
			})
		})
	}
}
