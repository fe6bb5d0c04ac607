package wire

import (
	"errors"

	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
)

// ErrBadDisconnect is the error of a Disconnect whose payload has none of the known forms.
var ErrBadDisconnect = errors.New("wire: malformed disconnect")

// maxDisconnect is the largest decompressed size in bytes that ParseDisconnect accepts. The reason needs two bytes; the
// rest is for elements that a later version may add.
const maxDisconnect = 128

// AppendDisconnect appends the RLP payload of a Disconnect to dst: a list with the reason as its one element.
func AppendDisconnect(dst []byte, r DiscReason) []byte {
	var room [2]byte
	item := rlp.AppendUint64(room[:0], uint64(r))
	dst = append(dst, 0xc0+byte(len(item)))
	return append(dst, item...)
}

// ParseDisconnect parses the payload of a Disconnect in all forms that clients send: a list with the reason, the bare
// reason, an empty list, an empty string and an empty payload (the last three mean DiscRequested). If compressed is
// true, the payload is read as snappy first and as plain RLP if that fails, because some clients never compress a
// Disconnect. ParseDisconnect doesn't allocate. The error is ErrBadDisconnect.
func ParseDisconnect(payload []byte, compressed bool) (DiscReason, error) {
	if compressed {
		// The order is safe: a plain list or integer, read as snappy, claims more bytes than follow, so it doesn't
		// decode. The one exception is a bare zero byte, which is an empty block; both readings mean DiscRequested.
		if n, err := DecodedLen(payload); err == nil && n <= maxDisconnect {
			var room [maxDisconnect]byte
			if plain, err := snappy.Decode(room[:], payload); err == nil {
				return splitReason(plain)
			}
		}
	}
	return splitReason(payload)
}

func splitReason(b []byte) (DiscReason, error) {
	if len(b) == 0 {
		return DiscRequested, nil
	}
	kind, content, _, err := rlp.Split(b)
	if err != nil {
		return DiscRequested, breachf("%w: %w", ErrBadDisconnect, err)
	}
	if kind == rlp.List {
		if len(content) == 0 {
			return DiscRequested, nil
		}
		if kind, content, _, err = rlp.Split(content); err != nil {
			return DiscRequested, breachf("%w: %w", ErrBadDisconnect, err)
		}
	}
	switch {
	case kind == rlp.List || len(content) > 1:
		return DiscRequested, breachf("%w: reason is not a one-byte integer", ErrBadDisconnect)
	case len(content) == 0:
		return DiscRequested, nil
	default:
		return DiscReason(content[0]), nil
	}
}
