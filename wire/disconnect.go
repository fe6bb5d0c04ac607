package wire

import (
	"errors"

	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
)

// ErrBadDisconnect is the error of a Disconnect whose payload gives no reason in any form that is known.
var ErrBadDisconnect = errors.New("wire: malformed disconnect")

// maxDisconnect bounds what is decompressed of a Disconnect. Its reason needs two bytes; the rest is left for
// elements that a later version may add.
const maxDisconnect = 128

// AppendDisconnect appends the RLP payload of a Disconnect, a list of the reason, to dst.
func AppendDisconnect(dst []byte, r DiscReason) []byte {
	var room [2]byte
	item := rlp.AppendUint64(room[:0], uint64(r))
	dst = append(dst, 0xc0+byte(len(item)))
	return append(dst, item...)
}

// ParseDisconnect reads the payload of a Disconnect in all forms that are met in the field: a list of the
// reason, the bare reason, an empty list, an empty string and nothing at all (the last three mean DiscRequested).
// With snappy the payload is taken as compressed first and as plain if it isn't, since some clients never compress
// a Disconnect. Nothing is allocated. The error is ErrBadDisconnect.
func ParseDisconnect(payload []byte, compressed bool) (DiscReason, error) {
	if compressed {
		// The order is safe: read as snappy, a plain list or integer claims more bytes than follow, so it doesn't
		// decode. The one exception is a bare zero byte, an empty block, and both readings mean DiscRequested.
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
