package shh

import (
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
)

// What travels on a link, by the codes of EIP-627. Codes between these are ignored, as the
// EIP wants it for the sake of later versions.
const (
	statusCode     = 0x00 // *Status, the first message each way; the kit exchanges it
	messagesCode   = 0x01 // a list of envelopes, undecoded: each is judged before the next is looked at
	powCode        = 0x02 // *PoWRequirement
	bloomCode      = 0x03 // *BloomFilter
	p2pRequestCode = 0x7e // an envelope, undecoded: only mail servers look at it
	p2pMessageCode = 0x7f // an envelope, undecoded: it counts only from a trusted peer

	version      = 6
	messageCodes = 128 // the codes that belong to Whisper
)

// Status is what each end says of itself first.
type Status struct {
	Version uint64
	MinPoW  PoWRequirement
	Bloom   BloomFilter
	Light   bool
}

// DecodeRLP takes the version, and of the rest as much as is there and is understood: all
// else is optional, and what comes behind is ignored.
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

// skipList ends the list that is being read, whatever is left of it.
func skipList(in *rlp.Stream) error {
	for in.MoreDataInList() {
		if _, err := in.Raw(); err != nil {
			return err
		}
	}
	return in.ListEnd()
}

// PoWRequirement is the least PoW that the sender wants of envelopes, as the bits of an
// IEEE 754 number.
type PoWRequirement uint64

// powRequirement writes a PoW as it travels.
func powRequirement(pow float64) PoWRequirement { return PoWRequirement(math.Float64bits(pow)) }

// value is the number, which must be finite and not negative.
func (r PoWRequirement) value() (float64, error) {
	pow := math.Float64frombits(uint64(r))
	if math.IsInf(pow, 0) || math.IsNaN(pow) || pow < 0 {
		return 0, fmt.Errorf("PoW requirement of %v", pow)
	}
	return pow, nil
}

// BloomFilter is the filter that envelopes for the sender must match.
type BloomFilter []byte

// messages are the codes of the protocol, for its Spec.
func messages() []protocols.Message {
	all := make([]protocols.Message, messageCodes)
	for code := range all {
		all[code] = protocols.Ignore()
	}
	all[statusCode] = protocols.Type[Status]()
	// They go ahead of envelopes: the sooner they are known, the fewer come for nothing.
	all[powCode] = protocols.Type[PoWRequirement](protocols.Urgent())
	all[bloomCode] = protocols.Type[BloomFilter](protocols.Urgent())
	for _, code := range []int{messagesCode, p2pRequestCode, p2pMessageCode} {
		// What a node demands may be less, and may change: see checkSize.
		all[code] = protocols.Raw(protocols.MaxSize(MaxMessageSize))
	}
	return all
}

// eachEnvelope calls f with the bytes of each envelope of a message, until one is wrong.
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
