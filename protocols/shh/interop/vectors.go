package main

import (
	"crypto/ecdsa"
	"encoding/json"
	"io"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/whisper/whisperv6"
)

// vectors is go-ethereum's output for known input. The tests of package shh have the same
// types.
type vectors struct {
	Passwords []password
	Topics    []topic
	Envelopes []envelope
}

type password struct {
	Password string
	Key      []byte
}

type topic struct {
	Topic []byte
	Bloom []byte
}

type envelope struct {
	Name    string
	Size    int    // of the payload, whose bytes are their own indices, modulo 251
	Padding []byte // the sender's; nil: go-ethereum makes it
	SymKey  []byte // one of SymKey and PrivKey decrypts it
	PrivKey []byte
	Signer  []byte // public key; nil if the message is not signed
	Topic   []byte
	TTL     uint32
	Expiry  uint32
	RLP     []byte
	Hash    []byte
	PoW     float64
}

func printVectors(w io.Writer) error {
	var v vectors
	service := whisperv6.StandaloneWhisperService(nil)
	for _, p := range []string{"", "test", "Grüße, 世界"} {
		id, err := service.AddSymKeyFromPassword(p)
		if err != nil {
			return err
		}
		key, err := service.GetSymKey(id)
		if err != nil {
			return err
		}
		v.Passwords = append(v.Passwords, password{p, key})
	}
	// In the last three, several bits fall into one byte of the filter.
	for _, t := range [][4]byte{{}, {1, 2, 3, 4}, {0xff, 0x80, 0x01, 0x07}, {0xde, 0xad, 0xbe, 0xef}, {8, 9, 200, 0}, {0, 1, 2, 7}, {5, 5, 5, 2}} {
		v.Topics = append(v.Topics, topic{append([]byte{}, t[:]...), whisperv6.TopicToBloom(t)})
	}
	for _, c := range cases() {
		e, err := c.make()
		if err != nil {
			return err
		}
		v.Envelopes = append(v.Envelopes, e)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", " ")
	return out.Encode(v)
}

type vectorCase struct {
	name          string
	size, padding int
	asym, signed  bool
	ttl           uint32
	pow           float64
}

func cases() []vectorCase {
	return []vectorCase{
		{name: "symmetric", size: 5, ttl: 50, pow: 0.2},
		{name: "symmetric signed", size: 5, signed: true, ttl: 50, pow: 0.2},
		{name: "asymmetric", size: 5, asym: true, ttl: 10, pow: 2},
		{name: "asymmetric signed", size: 5, asym: true, signed: true, ttl: 1000, pow: 0.01},
		{name: "empty", size: 0, ttl: 50, pow: 0.2},
		{name: "padding of a whole block", size: 254, ttl: 50},
		{name: "size of two bytes", size: 256, signed: true, ttl: 50, pow: 0.2},
		{name: "size of three bytes", size: 1 << 16, ttl: 1},
		{name: "padding given", size: 40, padding: 11, signed: true, ttl: 50, pow: 0.2},
	}
}

func (c *vectorCase) make() (e envelope, err error) {
	e = envelope{Name: c.name, Size: c.size, Padding: count(c.padding), Topic: []byte{0xca, 0xfe, 0x00, 0x07}, TTL: c.ttl}
	params := &whisperv6.MessageParams{
		TTL: c.ttl, Topic: whisperv6.BytesToTopic(e.Topic), Payload: count(c.size), Padding: e.Padding, PoW: c.pow, WorkTime: 60,
	}
	if c.signed {
		if params.Src, err = crypto.GenerateKey(); err != nil {
			return e, err
		}
		e.Signer = crypto.FromECDSAPub(&params.Src.PublicKey)
	}
	if c.asym {
		var to *ecdsa.PrivateKey
		if to, err = crypto.GenerateKey(); err != nil {
			return e, err
		}
		params.Dst, e.PrivKey = &to.PublicKey, crypto.FromECDSA(to)
	} else {
		e.SymKey = crypto.Keccak256([]byte(c.name))
		params.KeySym = e.SymKey
	}
	message, err := whisperv6.NewSentMessage(params)
	if err != nil {
		return e, err
	}
	wrapped, err := message.Wrap(params)
	if err != nil {
		return e, err
	}
	e.Expiry, e.PoW, e.Hash = wrapped.Expiry, wrapped.PoW(), wrapped.Hash().Bytes()
	e.RLP, err = rlp.EncodeToBytes(wrapped)
	return e, err
}

func count(n int) []byte {
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}
