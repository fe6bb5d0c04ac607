package shh

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"time"
)

// DefaultTTL is the default TTL of an envelope, in seconds.
const DefaultTTL = 50

// Errors of invalid messages and filters.
var (
	ErrSymAsym          = errors.New("specify either a symmetric or an asymmetric key")
	ErrInvalidPublicKey = errors.New("invalid public key")
)

// Letter is a message before it is encrypted. Exactly one of SymKey and To is set.
type Letter struct {
	TTL     uint32 // in seconds; 0: DefaultTTL
	Topic   Topic
	Payload []byte
	Padding []byte            // nil: random, up to a multiple of 256 bytes
	Sign    *ecdsa.PrivateKey // key that signs; nil: no signature
	SymKey  []byte            // 32 bytes, shared with the readers
	To      *ecdsa.PublicKey  // key of the reader
}

// Envelope encrypts the letter. now is the envelope's time of sending. The envelope has no
// PoW yet.
func (l *Letter) Envelope(now time.Time) (*Envelope, error) {
	if (l.SymKey == nil) == (l.To == nil) {
		return nil, ErrSymAsym
	}
	content, err := EncodeContent(l.Payload, l.Padding, l.Sign)
	if err != nil {
		return nil, err
	}
	var data []byte
	if l.To != nil {
		data, err = encryptAsymmetric(l.To, content)
	} else {
		data, err = encryptSymmetric(l.SymKey, content)
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	ttl := l.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	return &Envelope{Expiry: uint32(now.Unix()) + ttl, TTL: ttl, Topic: l.Topic, Data: data}, nil
}
