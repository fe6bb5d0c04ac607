package actors

import (
	"errors"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

func TestWriteTimedOut(t *testing.T) {
	for _, tt := range []struct {
		held heldFor
		want error
	}{
		{0, ErrWriteTimeout},
		{heldForHost, ErrMutualBackpressure},
		{heldForPongs, ErrMutualBackpressure},
		{heldForMemory, ErrWriteTimeout},
		{heldForAllowance, ErrWriteTimeout},
	} {
		if err := writeTimedOut(tt.held); !errors.Is(err, tt.want) {
			t.Errorf("held for %d: %v, want %v", tt.held, err, tt.want)
		}
	}
}

// TestRemoteThatSendsBombsAndReadsNothing: the cause says that the remote reads nothing. It is no
// mutual backpressure, because the reader that waits for its allowance goes on by itself.
func TestRemoteThatSendsBombsAndReadsNothing(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, at := arrivals()
		writes := &script{}
		r := meet(t, s.protocol("a"), writes.protocol("b"))
		done := r.flood(20, 16, bomb)
		if err := writes.Send(0, noise(DefaultOutboxLimit)); err != nil {
			t.Fatal(err)
		}
		c := r.wantCause(Local, wire.DiscReadTimeout, ErrWriteTimeout)
		if errors.Is(c, ErrMutualBackpressure) || len(*at) < 2 {
			t.Errorf("after %d bombs the cause is %v", len(*at), c)
		}
		r.conn.Close()
		<-done
	})
}
