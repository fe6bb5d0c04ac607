package wire

import "strconv"

// The base protocol, "p2p" (rlpx.md).
const (
	BaseVersion   = 5  // the version that this package implements
	SnappyVersion = 5  // messages are compressed if both sides announce this version or a later one (EIP-706)
	BaseLength    = 16 // message codes that the base protocol reserves; the first capability starts here
)

// Message codes of the base protocol.
const (
	HelloMsg = 0x00
	DiscMsg  = 0x01
	PingMsg  = 0x02
	PongMsg  = 0x03
)

// Sizes in bytes.
const (
	MaxFrame   = 1<<24 - 1 // frame-data (code and payload as sent): its length field has 24 bits
	MaxPayload = 1<<24 - 1 // payload before compression, after decompression
	MaxHello   = 2048      // payload of a Hello
)

// Cap is a capability: a subprotocol by name and version, as announced in a Hello.
type Cap struct {
	Name    string
	Version uint
}

// String returns the capability as name/version, for example "eth/68".
func (c Cap) String() string { return c.Name + "/" + strconv.FormatUint(uint64(c.Version), 10) }
