package actors

import (
	"errors"
	"io"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

func TestCauseInWords(t *testing.T) {
	for _, tt := range []struct {
		cause Cause
		want  string
	}{
		{Cause{Side: Remote, Reason: wire.DiscTooManyPeers}, "remote: too many peers"},
		{Cause{Side: Local, Reason: wire.DiscReadTimeout, Err: ErrPingTimeout}, "local: " + wire.DiscReadTimeout.String() + ": nothing received for 45 s"},
		{Cause{Side: Network, Reason: wire.DiscNetworkError, Err: io.EOF}, "network: network error: EOF"},
		{Cause{Side: Local, Reason: wire.DiscSubprotocolError, Protocol: "eth/68", Err: ErrStalled},
			"local: subprotocol error, protocol eth/68: inbound budget full and nothing handled for 20 s"},
		{Cause{Side: Local, Reason: wire.DiscProtocolError, Protocol: "eth/68", Code: 7, HasCode: true, Err: wire.ErrCorrupt},
			"local: breach of protocol, protocol eth/68 after message 0x07: " + wire.ErrCorrupt.Error()},
		{Cause{Side: Local, Reason: wire.DiscProtocolError, Code: 7, HasCode: true}, "local: breach of protocol"},
		{Cause{}, "unknown: disconnect requested"},
	} {
		if got := tt.cause.Error(); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
		if tt.cause.String() != tt.cause.Error() {
			t.Errorf("String and Error disagree: %q", tt.cause.String())
		}
		if tt.cause.Err != nil && !errors.Is(&tt.cause, tt.cause.Err) {
			t.Errorf("%q does not wrap its error", tt.want)
		}
	}
}
