package shh_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// FuzzEnvelope: ParseEnvelope agrees with go-ethereum's strict RLP decoder, and Encode
// returns the original bytes.
func FuzzEnvelope(f *testing.F) {
	for _, v := range readVectors(f).Envelopes {
		if len(v.RLP) < 2000 {
			f.Add(v.RLP)
			f.Add(v.RLP[:len(v.RLP)-1])
		}
	}
	f.Add([]byte{0xc9, 0x80, 0x80, 0x84, 1, 2, 3, 4, 0x80, 0x80})
	f.Add([]byte{0xc0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := shh.ParseEnvelope(raw)
		var want shh.Envelope
		if wantErr := rlp.DecodeBytes(raw, &want); (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, package rlp returns %v", err, wantErr)
		}
		if err != nil {
			if !errors.Is(err, shh.ErrEnvelope) {
				t.Error(err)
			}
			return
		}
		if e.Expiry != want.Expiry || e.TTL != want.TTL || e.Topic != want.Topic || e.Nonce != want.Nonce || !bytes.Equal(e.Data, want.Data) {
			t.Errorf("got %+v, want %+v", e, want)
		}
		if !bytes.Equal(e.Encode(), raw) {
			t.Error("Encode returns different bytes")
		}
		if pow := e.PoW(); !(pow >= 0) {
			t.Errorf("PoW of %v", pow)
		}
	})
}

// FuzzContent: any bytes that a holder of the key encrypts are a content or an error.
func FuzzContent(f *testing.F) {
	for _, v := range readVectors(f).Envelopes {
		e, err := shh.ParseEnvelope(v.RLP)
		if err != nil {
			f.Fatal(err)
		}
		c, err := v.open(f, e)
		if err != nil {
			f.Fatal(err)
		}
		if b, err := shh.EncodeContent(c.Payload, c.Padding, nil); err != nil {
			f.Fatal(err)
		} else if len(b) < 2000 {
			f.Add(b)
		}
	}
	f.Add([]byte{0})
	f.Add([]byte{3, 0xff, 0xff, 0xff})
	f.Add(append([]byte{5, 0}, make([]byte, 65)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := shh.ParseContent(b)
		if err != nil {
			if !errors.Is(err, shh.ErrContent) {
				t.Error(err)
			}
			return
		}
		if len(c.Payload)+len(c.Padding) >= len(b) {
			t.Errorf("%d bytes were parsed as a payload of %d and a padding of %d", len(b), len(c.Payload), len(c.Padding))
		}
	})
}

// FuzzLink sends any bytes as any message, before or after the status. The link goes on, or
// the node ends it with an error; the link's actor never crashes.
func FuzzLink(f *testing.F) {
	f.Add(uint8(0), false, encode(f, []any{uint(6), uint64(0), make([]byte, 64), true, "later"}))
	f.Add(uint8(0), false, []byte{0xc1, 0x06})
	f.Add(uint8(0), true, []byte{0xc1, 0x06})
	f.Add(uint8(1), false, []byte{0xc0})
	f.Add(uint8(1), true, []byte{0xc0})
	f.Add(uint8(1), true, encode(f, []any{&shh.Envelope{Data: []byte("x")}}))
	f.Add(uint8(2), true, []byte{0x88, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(3), true, encode(f, make([]byte, 64)))
	f.Add(uint8(126), true, encode(f, &shh.Envelope{}))
	f.Add(uint8(127), true, encode(f, &shh.Envelope{}))
	f.Fuzz(func(t *testing.T, code uint8, greeted bool, payload []byte) {
		synctest.Test(t, func(t *testing.T) {
			w := newWhisper(t, shh.Config{MailServer: new(postman)})
			newFilter(t, w)
			spec := remoteSpec()
			for i := range spec.Versions[0].Messages {
				spec.Versions[0].Messages[i] = protocols.Raw()
			}
			p := protocoltest.NewPair(t, w.Spec(), protocoltest.ByHand(spec))
			if err := w.MarkTrustedPeer(p.A.Peer().ID); err != nil {
				t.Fatal(err)
			}
			if greeted {
				send(t, p.B, rawStatus(t, uint(6)))
			}
			send(t, p.B, &protocols.RawMessage{Code: uint64(code % 128), Payload: payload})
			synctest.Wait()
			if c := p.A.Cause(); c != nil && (c.Side != protocols.Local || c.Err == nil) {
				t.Errorf("ended with %v", c)
			}
			if n := p.A.Restarts(); n != 0 {
				t.Errorf("%d restarts", n)
			}
		})
	})
}
