package shh

import (
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// NewMessage is a message for [Whisper.Post], in the form of the old call shh_post.
// Exactly one of SymKeyID and PublicKey is set.
type NewMessage struct {
	SymKeyID   string        `json:"symKeyID"` // ID of the key that the readers share
	PublicKey  hexutil.Bytes `json:"pubKey"`   // of the reader, 65 bytes
	Sig        string        `json:"sig"`      // ID of the key pair that signs; empty: no signature
	TTL        uint32        `json:"ttl"`      // in seconds; 0: DefaultTTL
	Topic      Topic         `json:"topic"`    // required with a symmetric key
	Payload    hexutil.Bytes `json:"payload"`
	Padding    hexutil.Bytes `json:"padding"`    // nil: random, up to a multiple of 256 bytes
	PowTime    uint32        `json:"powTime"`    // limit of the time for the PoW, in seconds; 0: DefaultPowTime
	PowTarget  float64       `json:"powTarget"`  // PoW to reach; 0: the node's own minimum
	TargetPeer string        `json:"targetPeer"` // enode URL or public key in hex: send to this peer alone, as a P2P message
}

// DefaultPowTime is the default limit of the time for a message's PoW, in seconds.
const DefaultPowTime = 5

// Criteria select the messages that a filter matches, in the form of the old call
// shh_newMessageFilter. Exactly one of SymKeyID and PrivateKeyID is set.
type Criteria struct {
	SymKeyID     string        `json:"symKeyID"`
	PrivateKeyID string        `json:"privateKeyID"`
	Sig          hexutil.Bytes `json:"sig"`      // public key of the required signer; nil: any signer or none
	MinPow       float64       `json:"minPow"`   // 0: no minimum
	Topics       []Topic       `json:"topics"`   // empty: all topics
	AllowP2P     bool          `json:"allowP2P"` // also match P2P messages of trusted peers
}

// Message is a received and decrypted message, in the form of the old call
// shh_getFilterMessages.
type Message struct {
	Sig       hexutil.Bytes `json:"sig,omitempty"` // public key of the signer, nil if it is not signed
	TTL       uint32        `json:"ttl"`
	Timestamp uint32        `json:"timestamp"` // when it was sent, in seconds of Unix time
	Topic     Topic         `json:"topic"`
	Payload   hexutil.Bytes `json:"payload"`
	Padding   hexutil.Bytes `json:"padding"`
	PoW       float64       `json:"pow"`
	Hash      hexutil.Bytes `json:"hash"` // of the envelope
	Dst       hexutil.Bytes `json:"recipientPublicKey,omitempty"`
}

// Info is the result of the old call shh_info.
type Info struct {
	Memory         int     `json:"memory"`   // size of the pool in bytes
	Messages       int     `json:"messages"` // number of envelopes in the pool
	MinPow         float64 `json:"minPow"`
	MaxMessageSize int     `json:"maxMessageSize"`
}
