package wire

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Errors of a Hello.
var (
	ErrHelloTooLarge   = errors.New("wire: hello exceeds 2048 bytes")
	ErrBadHello        = errors.New("wire: malformed hello")
	ErrInvalidIdentity = errors.New("wire: hello carries an invalid node identity")
)

// Hello is the first message of a session, sent once by each side (rlpx.md, "Hello").
type Hello struct {
	Version    uint64 // of the base protocol
	Name       string // client identity, human-readable: "Troupe/v0.1/linux-amd64/go1.26"
	Caps       []Cap
	ListenPort uint64   // legacy; 0 if the node doesn't listen; receivers ignore it
	ID         [64]byte // uncompressed public key without the format byte
}

// Append appends the RLP payload of the Hello to dst. On error (ErrHelloTooLarge) dst is returned unchanged.
func (h *Hello) Append(dst []byte) ([]byte, error) {
	w := rlp.NewEncoderBuffer(nil)
	list := w.List()
	w.WriteUint64(h.Version)
	w.WriteString(h.Name)
	caps := w.List()
	for _, c := range h.Caps {
		item := w.List()
		w.WriteString(c.Name)
		w.WriteUint64(uint64(c.Version))
		w.ListEnd(item)
	}
	w.ListEnd(caps)
	w.WriteUint64(h.ListenPort)
	w.WriteBytes(h.ID[:])
	w.ListEnd(list)
	if size := w.Size(); size > MaxHello {
		return dst, fmt.Errorf("%w: %d bytes with %d capabilities", ErrHelloTooLarge, size, len(h.Caps))
	}
	return w.AppendToBytes(dst), w.Flush()
}

// ParseHello parses the payload of a Hello. As EIP-8 requires, it accepts any version and ignores additional list
// elements, in the Hello and in a capability, and bytes after the list. The strings are copies.
// Errors: ErrHelloTooLarge, ErrBadHello, ErrInvalidIdentity (an ID that isn't 64 bytes long or is zero).
func ParseHello(payload []byte) (*Hello, error) {
	if len(payload) > MaxHello {
		return nil, breachf("%w: %d bytes", ErrHelloTooLarge, len(payload))
	}
	h, id, err := splitHello(payload)
	if err != nil {
		return nil, breachf("%w: %w", ErrBadHello, err)
	}
	if len(id) != len(h.ID) {
		return nil, &breach{DiscInvalidIdentity, fmt.Errorf("%w: %d bytes, want 64", ErrInvalidIdentity, len(id))}
	}
	copy(h.ID[:], id)
	if h.ID == ([64]byte{}) {
		return nil, &breach{DiscInvalidIdentity, fmt.Errorf("%w: zero", ErrInvalidIdentity)}
	}
	return h, nil
}

func splitHello(payload []byte) (h *Hello, id []byte, err error) {
	h = new(Hello)
	b, _, err := rlp.SplitList(payload)
	if err != nil {
		return nil, nil, err
	}
	if h.Version, b, err = rlp.SplitUint64(b); err != nil {
		return nil, nil, fmt.Errorf("version: %w", err)
	}
	name, b, err := rlp.SplitString(b)
	if err != nil {
		return nil, nil, fmt.Errorf("client name: %w", err)
	}
	h.Name = string(name)
	caps, b, err := rlp.SplitList(b)
	if err != nil {
		return nil, nil, fmt.Errorf("capabilities: %w", err)
	}
	if h.Caps, err = splitCaps(caps); err != nil {
		return nil, nil, fmt.Errorf("capability: %w", err)
	}
	if h.ListenPort, b, err = rlp.SplitUint64(b); err != nil {
		return nil, nil, fmt.Errorf("listen port: %w", err)
	}
	if id, _, err = rlp.SplitString(b); err != nil {
		return nil, nil, fmt.Errorf("node ID: %w", err)
	}
	return h, id, nil
}

func splitCaps(b []byte) ([]Cap, error) {
	n, err := rlp.CountValues(b)
	if err != nil || n == 0 {
		return nil, err
	}
	caps := make([]Cap, 0, n)
	for len(b) > 0 {
		item, rest, err := rlp.SplitList(b)
		if err != nil {
			return nil, err
		}
		name, item, err := rlp.SplitString(item)
		if err != nil {
			return nil, err
		}
		version, _, err := rlp.SplitUint64(item)
		if err != nil {
			return nil, err
		}
		if version > math.MaxUint {
			return nil, fmt.Errorf("version %d out of range", version)
		}
		caps = append(caps, Cap{Name: string(name), Version: uint(version)})
		b = rest
	}
	return caps, nil
}

// NodeID returns the ID, under the identity scheme "v4" (EIP-778), of the node with the given public key (uncompressed,
// without prefix): the key's Keccak-256 hash.
func NodeID(key [64]byte) [32]byte { return keccak256(key[:]) }

// PublicID is a public key as a Hello and an enode URL have it: 64 bytes, uncompressed, without prefix.
func PublicID(key *ecdsa.PublicKey) [64]byte { return [64]byte(crypto.FromECDSAPub(key)[1:]) }
