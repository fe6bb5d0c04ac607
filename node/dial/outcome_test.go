package dial

import (
	"fmt"
	"io"
	"testing"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

func TestOutcomes(t *testing.T) {
	remote := func(r wire.DiscReason) error { return &wire.RemoteDisconnect{Reason: r} }
	for _, tt := range []struct {
		err  error
		want outcome
	}{
		{nil, outcomeLinked},
		{remote(wire.DiscTooManyPeers), outcomeBusy},
		{remote(wire.DiscUselessPeer), outcomeUseless},
		{remote(wire.DiscSubprotocolError), outcomeUseless},
		{remote(wire.DiscIncompatibleVersion), outcomeUseless},
		{remote(wire.DiscAlreadyConnected), outcomeCrossed},
		{remote(wire.DiscQuitting), outcomeLost},
		{&refusal.Unreachable{Err: io.ErrUnexpectedEOF}, outcomeUnreachable},
		{&refusal.Unreachable{Err: refusal.ErrNoAddress}, outcomeUnreachable},
		{refusal.ErrSetupTimeout, outcomeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrSilent}, outcomeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrTCP}, outcomeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrNoNeighbour}, outcomeUnreachable},
		{&refusal.Unreachable{Err: punch.ErrUnsupported}, outcomeUnreachable},
		{&refusal.Unreachable{Err: fmt.Errorf("%w; %w: %w", io.EOF, punch.ErrTried, punch.ErrSilent)}, outcomeUnreachable},
		{&refusal.Unreachable{Err: fmt.Errorf("%w; %w: %w", io.EOF, punch.ErrTried, punch.ErrFiltered)}, outcomeImpassable},
		{&refusal.Unreachable{Err: fmt.Errorf("%w; %w", io.EOF, punch.ErrImpossible)}, outcomeImpassable},
		{&refusal.Unreachable{Err: punch.ErrUDPOnly}, outcomeImpassable},
		{&refusal.Unreachable{Err: punch.ErrCrossed}, outcomeCrossed},
		{&refusal.Unreachable{Err: punch.ErrBusy}, outcomeOurs},
		{&refusal.Unreachable{Err: punch.ErrDown}, outcomeOurs},
		{io.EOF, outcomeHandshake},
		{wire.ErrBadAck, outcomeHandshake},
		{refusal.ErrUselessPeer, outcomeUseless},
		{refusal.ErrTooManyPeers, outcomeOurs},
		{refusal.ErrCrowdedNetwork, outcomeOurs},
		{refusal.ErrBanned, outcomeOurs},
		{refusal.ErrCancelled, outcomeOurs},
		{peers.ErrUndecided, outcomeOurs},
		{refusal.ErrProtocolRemoved, outcomeOurs},
		{refusal.ErrStopping, outcomeOurs},
		{refusal.ErrAlreadyConnected, outcomeCrossed},
		{refusal.ErrTheirDialFirst, outcomeCrossed},
		{refusal.ErrPendingInbound, outcomeCrossed},
	} {
		if got := outcomeOfDial(tt.err); got != tt.want {
			t.Errorf("dial ended with %v: %v, want %v", tt.err, got, tt.want)
		}
	}
	for _, tt := range []struct {
		cause *actors.Cause
		want  outcome
	}{
		{nil, outcomeLost},
		{&actors.Cause{Side: actors.Remote, Reason: wire.DiscTooManyPeers}, outcomeBusy},
		{&actors.Cause{Side: actors.Remote, Reason: wire.DiscUselessPeer}, outcomeUseless},
		{&actors.Cause{Side: actors.Local, Reason: wire.DiscUselessPeer}, outcomeUseless},
		{&actors.Cause{Side: actors.Local, Reason: wire.DiscProtocolError}, outcomeUseless},
		{&actors.Cause{Side: actors.Remote, Reason: wire.DiscQuitting}, outcomeLost},
		{&actors.Cause{Side: actors.Network, Reason: wire.DiscNetworkError, Err: io.EOF}, outcomeLost},
		{&actors.Cause{Side: actors.Local, Reason: wire.DiscReadTimeout}, outcomeLost},
		{&actors.Cause{Side: actors.Local, Reason: wire.DiscTooManyPeers, Err: refusal.ErrMadeRoom}, outcomeUseless},
		{&actors.Cause{Side: actors.Local, Reason: wire.DiscUselessPeer, Err: refusal.ErrProtocolRemoved}, outcomeOurs},
	} {
		if got := outcomeOfLink(tt.cause); got != tt.want {
			t.Errorf("link ended with %v: %v, want %v", tt.cause, got, tt.want)
		}
	}
}
