package shh_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/protocols/shh"
)

// vectors is testdata/vectors.json: the original implementation's output for known input.
// The module in the folder interop writes it:
//
//	cd interop && go run -ldflags=-checklinkname=0 . vectors > ../testdata/vectors.json
type vectors struct {
	Passwords []struct {
		Password string
		Key      []byte
	}
	Topics []struct {
		Topic []byte
		Bloom []byte
	}
	Envelopes []vector
}

type vector struct {
	Name            string
	Size            int // of the payload, whose bytes are their own indices, modulo 251
	Padding         []byte
	SymKey, PrivKey []byte
	Signer          []byte
	Topic           []byte
	TTL, Expiry     uint32
	RLP             []byte
	Hash            []byte
	PoW             float64
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Passwords) == 0 || len(v.Topics) == 0 || len(v.Envelopes) == 0 {
		t.Fatal("vectors are missing")
	}
	return v
}

func (v *vector) open(t testing.TB, e *shh.Envelope) (*shh.Content, error) {
	t.Helper()
	if v.SymKey != nil {
		return e.OpenSymmetric(v.SymKey)
	}
	key, err := crypto.ToECDSA(v.PrivKey)
	if err != nil {
		t.Fatal(err)
	}
	return e.OpenAsymmetric(key)
}

// counted returns n payload bytes as in the vectors.
func counted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

func TestVectorsOfEnvelopes(t *testing.T) {
	for _, v := range readVectors(t).Envelopes {
		t.Run(v.Name, func(t *testing.T) {
			e, err := shh.ParseEnvelope(v.RLP)
			if err != nil {
				t.Fatal(err)
			}
			if e.Expiry != v.Expiry || e.TTL != v.TTL || !bytes.Equal(e.Topic[:], v.Topic) {
				t.Errorf("expiry %d, TTL %d, topic %v; want %d, %d, %x", e.Expiry, e.TTL, e.Topic, v.Expiry, v.TTL, v.Topic)
			}
			if got := e.Hash(); got != common.Hash(v.Hash) {
				t.Errorf("hash %v, want %x", got, v.Hash)
			}
			if got := e.PoW(); got != v.PoW {
				t.Errorf("PoW %v, want %v", got, v.PoW)
			}
			if !bytes.Equal(e.Encode(), v.RLP) {
				t.Error("Encode returns different bytes")
			}
			c, err := v.open(t, e)
			if err != nil {
				t.Fatal(err)
			}
			v.compare(t, c)
		})
	}
}

// compare checks the decrypted content.
func (v *vector) compare(t *testing.T, c *shh.Content) {
	t.Helper()
	if !bytes.Equal(c.Payload, counted(v.Size)) {
		t.Errorf("payload is %x", c.Payload)
	}
	if v.Padding != nil && !bytes.Equal(c.Padding, v.Padding) {
		t.Errorf("padding is %x, want %x", c.Padding, v.Padding)
	}
	if v.Signer == nil && c.Sender != nil {
		t.Error("content is signed, want no signature")
	}
	if v.Signer != nil && (c.Sender == nil || !bytes.Equal(crypto.FromECDSAPub(c.Sender), v.Signer)) {
		t.Errorf("signed by %v, want %x", c.Sender, v.Signer)
	}
}

func TestVectorsOfPasswords(t *testing.T) {
	for _, v := range readVectors(t).Passwords {
		if key, err := shh.SymKeyFromPassword(v.Password); err != nil || !bytes.Equal(key, v.Key) {
			t.Errorf("key of %q is %x, %v; want %x", v.Password, key, err, v.Key)
		}
	}
}

// TestVectorsOfTopics: the bits that the original sets for a topic are among those that the
// EIP sets, and they are all of them unless two bits fall into one byte.
func TestVectorsOfTopics(t *testing.T) {
	same, fewer := 0, 0
	for _, v := range readVectors(t).Topics {
		ours, theirs := shh.Topic(v.Topic).Bloom(), shh.Bloom(v.Bloom)
		switch {
		case ours == theirs:
			same++
		case ours.Matches(theirs):
			fewer++
		default:
			t.Errorf("topic %x has the bits %x, want %x", v.Topic, ours, theirs)
		}
	}
	if same == 0 || fewer == 0 {
		t.Errorf("%d topics have the same bits and %d fewer, want some of each", same, fewer)
	}
}
