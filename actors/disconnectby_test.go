package actors

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// lateConn has a reader that is late: no deadline interrupts it.
type lateConn struct{ net.Conn }

func (lateConn) SetReadDeadline(time.Time) error { return nil }

// TestDisconnectBy: the socket is closed at the time given, whether the remote goes on sending, does not
// read, or has not read for long, and never later than a link's end takes anyway. A link that ends
// already keeps its time.
func TestDisconnectBy(t *testing.T) {
	const within = 300 * time.Millisecond
	for name, tt := range map[string]struct {
		begun, by, want time.Duration // begun: an earlier Disconnect, so long before
		full            bool          // a write stands still
		late            bool          // the reader does not notice the deadline
	}{
		"the remote neither reads nor closes": {by: within, want: within},
		"a write stands still":                {by: within, want: within, full: true},
		"a past time":                         {by: -time.Second},
		"the reader is late":                  {by: within, want: within, late: true},
		"more than two seconds":               {by: time.Hour, want: lingerTimeout},
		"a link that ends already":            {begun: time.Second, by: within, want: lingerTimeout - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := new(script)
				near, theirs := memPipe(64 << 10)
				var ours net.Conn = near
				if tt.late {
					ours = lateConn{near}
				}
				r := meetOver(t, newNode(t), ours, theirs, s.protocol("a"))
				r.aside(func() { // the remote goes on sending
					for {
						if _, err := r.conn.Write(r.seal(16, noise(100))); err != nil {
							return
						}
						<-time.After(10 * time.Millisecond)
					}
				})
				if tt.full {
					r.link.Host("a").Send(0, noise(900<<10))
				}
				synctest.Wait()
				if tt.begun > 0 {
					r.link.Disconnect(wire.DiscUselessPeer, nil)
					actortest.After(tt.begun)
				}
				begin := time.Now()
				r.link.DisconnectBy(begin.Add(tt.by), wire.DiscQuitting, nil)
				<-r.link.Done()
				if took := time.Since(begin); took != tt.want {
					t.Errorf("the socket was closed after %v, want %v", took, tt.want)
				}
			})
		})
	}
}
