package shh

import "github.com/troupe-p2p/troupe/protocols"

// Config configures a [Whisper]. The zero value of each field has a meaning.
type Config struct {
	// MinPoW is the minimum PoW of accepted envelopes. Zero: DefaultMinPoW; negative: no minimum.
	MinPoW float64
	// MaxMessageSize limits the link's messages and envelopes, in bytes. It is at most the
	// constant of that name. Zero: DefaultMaxMessageSize.
	MaxMessageSize int
	// Bloom is the bloom filter that accepted envelopes must match. Nil: all topics. Message
	// filters that are made later widen it.
	Bloom *Bloom
	// Light makes the node forward only envelopes that are posted on it.
	Light bool
	// PoolBytes and PoolEnvelopes limit the pool of envelopes that the node forwards, in
	// bytes and in number. Zero: DefaultPoolBytes and DefaultPoolEnvelopes.
	PoolBytes, PoolEnvelopes int
	// Rate limits what one peer may send. A zero field takes the value in DefaultRate.
	Rate Rate
	// MailServer, if set, receives all envelopes and the P2P requests of peers.
	MailServer MailServer
}

// MailServer stores envelopes for nodes that were offline. The actors of links call its
// methods and wait for them, so the methods must return quickly.
type MailServer interface {
	// Archive receives each envelope that was added to the node's pool. It must not change it.
	Archive(*Envelope)
	// Request receives a peer's request. The mail server answers with [Whisper.SendP2P].
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
