package shh

import "github.com/troupe-p2p/troupe/protocols"

// Config is what a node wants of Whisper. The zero value of each field has a meaning.
type Config struct {
	// MinPoW is the least PoW of envelopes that come in. Zero: DefaultMinPoW; negative: none.
	MinPoW float64
	// MaxMessageSize limits messages of the link and envelopes, in bytes, up to the constant
	// of that name. Zero: DefaultMaxMessageSize.
	MaxMessageSize int
	// Bloom says for which topics envelopes may come in. Nil: all. Filters that are made
	// later widen it.
	Bloom *Bloom
	// Light makes the node pass on nothing but what is posted on it.
	Light bool
	// PoolBytes and PoolEnvelopes limit what the node holds of envelopes on their way.
	// Zero: DefaultPoolBytes and DefaultPoolEnvelopes.
	PoolBytes, PoolEnvelopes int
	// Rate limits what one peer may send. A field that is zero: that of DefaultRate.
	Rate Rate
	// MailServer, if set, sees all envelopes and answers P2P requests.
	MailServer MailServer
}

// MailServer keeps envelopes for those that were away. Its methods are called by the
// actors of links, which wait for them: they only take note.
type MailServer interface {
	// Archive gets each envelope that has come into the node's pool. It must not change it.
	Archive(*Envelope)
	// Request gets what a peer asks for. The answers go by [Whisper.SendP2P].
	Request(from protocols.Peer, request *Envelope)
}

func (c Config) withDefaults() Config {
	switch {
	case c.MinPoW == 0:
		c.MinPoW = DefaultMinPoW
	case c.MinPoW < 0:
		c.MinPoW = 0
	}
	if c.MaxMessageSize <= 0 {
		c.MaxMessageSize = DefaultMaxMessageSize
	}
	c.MaxMessageSize = min(c.MaxMessageSize, MaxMessageSize)
	if c.PoolBytes <= 0 {
		c.PoolBytes = DefaultPoolBytes
	}
	if c.PoolEnvelopes <= 0 {
		c.PoolEnvelopes = DefaultPoolEnvelopes
	}
	c.Rate = c.Rate.withDefaults()
	return c
}
