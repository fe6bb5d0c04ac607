package actors

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// TestT7HolderAsksAnew: the pinger and the goroutine that writes pongs ask for the token again when
// they find that their grant was taken back. What they had to write is written at once.
func TestT7HolderAsksAnew(t *testing.T) {
	for _, tt := range []struct {
		name string
		use  func(ctx actor.Context, r *remote, tok *WriteToken)
		want uint64
	}{
		{"the pinger", func(ctx actor.Context, r *remote, tok *WriteToken) {
			(&pinger{link: r.link}).useToken(ctx, tok)
		}, wire.PingMsg},
		{"the peer", func(_ actor.Context, r *remote, tok *WriteToken) {
			r.link.pongsDue.Add(1)
			peerOf(r).answerPings(tok)
		}, wire.PongMsg},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				r := meet(t, s.protocol("a"))
				s.tell(func(ctx actor.Context) {
					tok := &WriteToken{writer: &frameWriter{link: r.link}}
					tok.revoke()
					tt.use(ctx, r, tok)
				})
				p, err := r.readWithin(time.Second)
				if err != nil || p.code != tt.want {
					t.Errorf("got %+v, %v; want message 0x%x", p, err, tt.want)
				}
				r.conn.Close()
			})
		})
	}
}

// readWithin gives the next message, pings included, if it comes in time.
func (r *remote) readWithin(limit time.Duration) (packet, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return packet{}, err
	}
	return r.read()
}
