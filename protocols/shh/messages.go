package shh

import (
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
)

// Message codes of EIP-627. Other codes are ignored, as the EIP requires for the sake of
// later versions.
const (
	statusCode     = 0x00 // *Status, the first message in each direction; the kit exchanges it
	messagesCode   = 0x01 // a list of envelopes, undecoded: each is validated before the next is parsed
	powCode        = 0x02 // *PoWRequirement
	bloomCode      = 0x03 // *BloomFilter
	p2pRequestCode = 0x7e // an envelope, undecoded: only mail servers parse it
	p2pMessageCode = 0x7f // an envelope, undecoded: it is ignored unless the peer is trusted

	version      = 6
	messageCodes = 128 // the number of codes that belong to Whisper
)

// Status is the first message of each side.
type Status struct {
	Version uint64
	MinPoW  PoWRequirement
	Bloom   BloomFilter
	Light   bool
}

// DecodeRLP requires the version. The other fields are optional: decoding stops at the
// first one that is missing or has another type, and further elements are ignored.
func (s *Status) DecodeRLP(in *rlp.Stream) error {
	if _, err := in.List(); err != nil {
		return err
	}
	if err := in.Decode(&s.Version); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	for _, field := range []any{&s.MinPoW, &s.Bloom, &s.Light} {
		if !in.MoreDataInList() || in.Decode(field) != nil {
			break
		}
	}
	return skipList(in)
}

// skipList skips the rest of the current list and leaves it.
func skipList(in *rlp.Stream) error {
	for in.MoreDataInList() {
		if _, err := in.Raw(); err != nil {
			return err
		}
	}
	return in.ListEnd()
}

// PoWRequirement is the minimum PoW of envelopes that the sender accepts, as the bits of
// an IEEE 754 number.
type PoWRequirement uint64

// powRequirement returns a PoW in its wire format.
func powRequirement(pow float64) PoWRequirement { return PoWRequirement(math.Float64bits(pow)) }

// value returns the PoW. It fails unless the PoW is finite and not negative.
func (r PoWRequirement) value() (float64, error) {
	pow := math.Float64frombits(uint64(r))
	if math.IsInf(pow, 0) || math.IsNaN(pow) || pow < 0 {
		return 0, fmt.Errorf("PoW requirement of %v, want a finite number that is not negative", pow)
	}
	return pow, nil
}

// BloomFilter is the filter that envelopes for the sender must match.
type BloomFilter []byte

// messages returns the messages of the protocol by code, for its Spec.
func messages() []protocols.Message {
	all := make([]protocols.Message, messageCodes)
	for code := range all {
		all[code] = protocols.Ignore()
	}
	all[statusCode] = protocols.Type[Status]()
	// Demands go before envelopes: the sooner the peer knows them, the fewer envelopes it sends in vain.
	all[powCode] = protocols.Type[PoWRequirement](protocols.Urgent())
	all[bloomCode] = protocols.Type[BloomFilter](protocols.Urgent())
	for _, code := range []int{messagesCode, p2pRequestCode, p2pMessageCode} {
		// The node's own limit may be lower, and may change; checkSize enforces it.
		all[code] = protocols.Raw(protocols.MaxSize(MaxMessageSize))
	}
	return all
}

// eachEnvelope calls f with the bytes of each envelope in a message, until f fails.
func eachEnvelope(payload []byte, f func(raw []byte) error) error {
	list, rest, err := rlp.SplitList(payload)
	if err != nil {
		return fmt.Errorf("list of envelopes: %w", err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("list of envelopes: %d bytes after it", len(rest))
	}
	for len(list) > 0 {
		_, _, rest, err := rlp.Split(list)
		if err != nil {
			return fmt.Errorf("list of envelopes: %w", err)
		}
		if err := f(list[:len(list)-len(rest)]); err != nil {
			return err
		}
		list = rest
	}
	return nil
}
