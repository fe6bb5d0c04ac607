package shh

import (
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// NewMessage is what [Whisper.Post] is to send, in the form of the old call shh_post.
// Exactly one of SymKeyID and PublicKey is given.
type NewMessage struct {
	SymKeyID   string        `json:"symKeyID"`   // the key that readers share
	PublicKey  hexutil.Bytes `json:"pubKey"`     // the reader's, 65 bytes
	Sig        string        `json:"sig"`        // ID of the key pair that signs; empty: nobody
	TTL        uint32        `json:"ttl"`        // in seconds; 0: DefaultTTL
	Topic      Topic         `json:"topic"`      // required with a symmetric key
	Payload    hexutil.Bytes `json:"payload"`    //
	Padding    hexutil.Bytes `json:"padding"`    // nil: random, up to a multiple of 256 bytes
	PowTime    uint32        `json:"powTime"`    // how long to work at most, in seconds; 0: DefaultPowTime
	PowTarget  float64       `json:"powTarget"`  // PoW to reach; 0: the node's own minimum
	TargetPeer string        `json:"targetPeer"` // enode URL or public key in hex: send to this peer alone, as a P2P message
}

// DefaultPowTime is how long the work for a message may take unless the caller says
// otherwise, in seconds.
const DefaultPowTime = 5

// Criteria say which messages a filter lets through, in the form of the old call
// shh_newMessageFilter. Exactly one of SymKeyID and PrivateKeyID is given.
type Criteria struct {
	SymKeyID     string        `json:"symKeyID"`
	PrivateKeyID string        `json:"privateKeyID"`
	Sig          hexutil.Bytes `json:"sig"`      // public key of who must have signed; nil: anybody or nobody
	MinPow       float64       `json:"minPow"`   // 0: any
	Topics       []Topic       `json:"topics"`   // none: all
	AllowP2P     bool          `json:"allowP2P"` // let P2P messages of trusted peers through as well
}

// Message is one that came, and was decrypted, in the form of the old call
// shh_getFilterMessages.
type Message struct {
	Sig       hexutil.Bytes `json:"sig,omitempty"` // public key of who signed, nil if nobody did
	TTL       uint32        `json:"ttl"`
	Timestamp uint32        `json:"timestamp"` // when it was sent, in seconds of Unix time
	Topic     Topic         `json:"topic"`
	Payload   hexutil.Bytes `json:"payload"`
	Padding   hexutil.Bytes `json:"padding"`
	PoW       float64       `json:"pow"`
	Hash      hexutil.Bytes `json:"hash"` // of the envelope
	Dst       hexutil.Bytes `json:"recipientPublicKey,omitempty"`
}

// Info is what the old call shh_info told.
type Info struct {
	Memory         int     `json:"memory"`   // bytes of the envelopes that are on their way
	Messages       int     `json:"messages"` // their number
	MinPow         float64 `json:"minPow"`
	MaxMessageSize int     `json:"maxMessageSize"`
}
