package shh_test

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

func TestContent(t *testing.T) {
	signer := fixture.Key(t)
	for _, size := range []int{0, 1, 188, 189, 254, 255, 256, 65535, 65536} {
		for _, sign := range []*ecdsa.PrivateKey{nil, signer} {
			for _, padding := range [][]byte{nil, []byte("padding")} {
				b, err := shh.EncodeContent(counted(size), padding, sign)
				if err != nil {
					t.Fatal(err)
				}
				if padding == nil && len(b)%256 != 0 {
					t.Errorf("payload of %d, signed %v: %d bytes", size, sign != nil, len(b))
				}
				c, err := shh.ParseContent(b)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(c.Payload, counted(size)) || padding != nil && !bytes.Equal(c.Padding, padding) {
					t.Errorf("payload of %d bytes was parsed as %d, padding %q", size, len(c.Payload), c.Padding)
				}
				if sign == nil && c.Sender != nil || sign != nil && !sign.PublicKey.Equal(c.Sender) {
					t.Errorf("signed by %v", c.Sender)
				}
			}
		}
	}
	if _, err := shh.EncodeContent(make([]byte, 1<<24), nil, nil); err != shh.ErrPayloadTooLarge {
		t.Errorf("payload of 16 MiB: %v", err)
	}
}

// TestSignatureOfEIP: the EIP adds 27 to the recovery ID.
func TestSignatureOfEIP(t *testing.T) {
	signer := fixture.Key(t)
	b, err := shh.EncodeContent([]byte("text"), nil, signer)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] += 27
	if c, err := shh.ParseContent(b); err != nil || !signer.PublicKey.Equal(c.Sender) {
		t.Errorf("signed by %+v, %v", c, err)
	}
}

func TestNoContent(t *testing.T) {
	signed, err := shh.EncodeContent([]byte("text"), nil, fixture.Key(t))
	if err != nil {
		t.Fatal(err)
	}
	wrongV := bytes.Clone(signed)
	wrongV[len(wrongV)-1] = 5
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":             {nil, "no bytes"},
		"no size":             {[]byte{1}, "size has 0 bytes"},
		"half a size":         {[]byte{3, 1, 0}, "size has 2 bytes"},
		"short payload":       {[]byte{1, 3, 'a', 'b'}, "payload of 3 bytes"},
		"no signature":        {[]byte{5, 0}, "signature has 1 bytes"},
		"payload in signed":   {append([]byte{5, 1}, make([]byte, 64)...), "signature"},
		"recovery ID":         {wrongV, "signature"},
		"signature of zeroes": {append([]byte{5, 0}, make([]byte, 65)...), "signature"},
	} {
		if got, err := shh.ParseContent(c.b); !errors.Is(err, shh.ErrContent) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want an error with %q", name, got, err, c.want)
		}
	}
	if c, err := shh.ParseContent([]byte{0, 'p', 'a', 'd'}); err != nil || len(c.Payload) != 0 || string(c.Padding) != "pad" {
		t.Errorf("without a size: %+v, %v", c, err)
	}
}

// TestLetter: an envelope of each kind can be decrypted with its key, and with no other.
func TestLetter(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	signer, reader := fixture.Key(t), fixture.Key(t)
	symKey, otherKey := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)
	for name, l := range map[string]shh.Letter{
		"symmetric":         {SymKey: symKey, TTL: 20},
		"symmetric signed":  {SymKey: symKey, Sign: signer},
		"asymmetric":        {To: &reader.PublicKey},
		"asymmetric signed": {To: &reader.PublicKey, Sign: signer, Padding: []byte("p")},
	} {
		t.Run(name, func(t *testing.T) {
			l.Payload, l.Topic = []byte("text"), shh.Topic{1, 2, 3, 4}
			e, err := l.Envelope(now)
			if err != nil {
				t.Fatal(err)
			}
			if ttl := cmp.Or(l.TTL, shh.DefaultTTL); e.TTL != ttl || e.Expiry != 1_700_000_000+ttl || e.Topic != l.Topic {
				t.Errorf("envelope is %+v", e)
			}
			bySym, symErr := e.OpenSymmetric(symKey)
			byAsym, asymErr := e.OpenAsymmetric(reader)
			c, err, other := bySym, symErr, asymErr
			if l.To != nil {
				c, err, other = byAsym, asymErr, symErr
			}
			if err != nil || string(c.Payload) != "text" || (l.Sign != nil) != (c.Sender != nil && signer.PublicKey.Equal(c.Sender)) {
				t.Errorf("decrypted: %+v, %v", c, err)
			}
			if other != shh.ErrNotForUs {
				t.Errorf("with the other kind of key: %v", other)
			}
			if _, err := e.OpenSymmetric(otherKey); err != shh.ErrNotForUs {
				t.Errorf("with another symmetric key: %v", err)
			}
			if _, err := e.OpenAsymmetric(signer); err != shh.ErrNotForUs {
				t.Errorf("with another private key: %v", err)
			}
			e.Data[len(e.Data)/2] ^= 1
			if _, err := e.OpenSymmetric(symKey); err != shh.ErrNotForUs {
				t.Errorf("with a bit changed: %v", err)
			}
			if _, err := e.OpenAsymmetric(reader); err != shh.ErrNotForUs {
				t.Errorf("with a bit changed: %v", err)
			}
		})
	}
}

func TestNoLetter(t *testing.T) {
	key := fixture.Key(t)
	for name, c := range map[string]struct {
		letter shh.Letter
		want   error
	}{
		"no key":         {shh.Letter{}, shh.ErrSymAsym},
		"two keys":       {shh.Letter{SymKey: make([]byte, 32), To: &key.PublicKey}, shh.ErrSymAsym},
		"empty key":      {shh.Letter{To: new(ecdsa.PublicKey)}, shh.ErrInvalidPublicKey},
		"payload of 16M": {shh.Letter{SymKey: make([]byte, 32), Payload: make([]byte, 1<<24)}, shh.ErrPayloadTooLarge},
	} {
		if _, err := c.letter.Envelope(time.Now()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	short := shh.Letter{SymKey: make([]byte, 16)}
	if _, err := short.Envelope(time.Now()); err == nil {
		t.Error("a key of 16 bytes was accepted")
	}
}
