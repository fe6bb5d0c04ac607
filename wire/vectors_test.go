package wire

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unhexKey(t testing.TB, s string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.HexToECDSA(s)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// eip8 holds the keys and nonces of the nodes A and B of EIP-8.
type eip8 struct {
	keyA, keyB *ecdsa.PrivateKey
	ephA, ephB ephemeral
}

func newEIP8(t testing.TB) (v eip8) {
	v.keyA = unhexKey(t, "49a7b37aa6f6645917e7b807e9d1c00d4fa71f18343b0d4122a4d2df64dd6fee")
	v.keyB = unhexKey(t, "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")
	v.ephA.key = unhexKey(t, "869d6ecf5211f1cc60418a13b9d870b22959d0c16f02bec714c960dd2298a32d")
	v.ephB.key = unhexKey(t, "e238eb8e04fee6511ab04c6dd3c89ce097b11f25d584863ac2b6d5b35b1847e4")
	v.ephA.nonce = [32]byte(unhex(t, "7e968bba13b6c50e2c4cd7f241cc0d64d1ac25c7f5952df231ac6a2bda8ee5d6"))
	v.ephB.nonce = [32]byte(unhex(t, "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd"))
	return v
}

// initiator returns A's Initiator after A has sent auth.
func (v eip8) initiator(auth []byte) *Initiator {
	return &Initiator{key: v.keyA, remote: &v.keyB.PublicKey, eph: v.ephA, packet: auth}
}

// secrets returns the secrets of (Auth₂, Ack₂) as each side derives them.
func (v eip8) secrets(t testing.TB) (a, b *Secrets) {
	t.Helper()
	auth, ack := unhex(t, auth2), unhex(t, ack2)
	r, err := OpenAuth(v.keyB, auth)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = r.secrets(&v.ephB, ack); err != nil {
		t.Fatal(err)
	}
	if a, err = v.initiator(auth).Finish(ack); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestEIP8Auth(t *testing.T) {
	v := newEIP8(t)
	for name, packet := range map[string]string{"Auth2": auth2, "Auth3": auth3} {
		t.Run(name, func(t *testing.T) {
			r, err := OpenAuth(v.keyB, unhex(t, packet))
			if err != nil {
				t.Fatal(err)
			}
			if !r.Remote().Equal(&v.keyA.PublicKey) {
				t.Errorf("initiator %x", crypto.FromECDSAPub(r.Remote()))
			}
			if !r.remoteEph.Equal(&v.ephA.key.PublicKey) {
				t.Errorf("ephemeral key %x", crypto.FromECDSAPub(r.remoteEph))
			}
			if r.initNonce != v.ephA.nonce {
				t.Errorf("nonce %x", r.initNonce)
			}
		})
	}
}

func TestEIP8Ack(t *testing.T) {
	v := newEIP8(t)
	auth := unhex(t, auth2)
	for name, packet := range map[string]string{"Ack2": ack2, "Ack3": ack3} {
		t.Run(name, func(t *testing.T) {
			s, err := v.initiator(auth).Finish(unhex(t, packet))
			if err != nil {
				t.Fatal(err)
			}
			// The secrets depend on B's ephemeral key and nonce, not on the packet around them.
			if got := hex.EncodeToString(s.MAC[:]); got != "2ea74ec5dae199227dff1af715362700e989d889d7a493cb0639691efb8e5f98" {
				t.Errorf("mac-secret %s", got)
			}
		})
	}
}

func TestEIP8Secrets(t *testing.T) {
	a, b := newEIP8(t).secrets(t)
	for side, s := range map[string]*Secrets{"A": a, "B": b} {
		if got := hex.EncodeToString(s.AES[:]); got != "80e8632c05fed6fc2a13b0f8d31a3cf645366239170ea067065aba8e28bac487" {
			t.Errorf("%s: aes-secret %s", side, got)
		}
		if got := hex.EncodeToString(s.MAC[:]); got != "2ea74ec5dae199227dff1af715362700e989d889d7a493cb0639691efb8e5f98" {
			t.Errorf("%s: mac-secret %s", side, got)
		}
	}
	if a.egress != b.ingress || a.ingress != b.egress {
		t.Error("the MAC states of the two sides don't match")
	}
	b.ingress.absorb([]byte("foo"))
	sum := b.ingress.sum()
	if got := hex.EncodeToString(sum[:]); got != "0c7ec6340062cc46f5e9f1e3cf86f8c8c403c5a0964f5df0ebd34a75ddc86db5" {
		t.Errorf(`ingress-mac("foo") %s`, got)
	}
}

func TestEIP8Hello(t *testing.T) {
	h, err := ParseHello(unhex(t, helloNext))
	if err != nil {
		t.Fatal(err)
	}
	if h.Version != 55 || h.Name != "kneth/v0.91/plan9" || h.ListenPort != 9999 {
		t.Errorf("%+v", h)
	}
	if len(h.Caps) != 2 || h.Caps[0] != (Cap{"eth", 61}) || h.Caps[1] != (Cap{"mork", 22}) {
		t.Errorf("capabilities %v", h.Caps)
	}
	if want := unhex(t, "fda1cff674c90c9a197539fe3dfb53086ace64f83ed7c6eabec741f7f381cc80"); !bytes.Equal(h.ID[:32], want) {
		t.Errorf("ID %x", h.ID)
	}
}

// sealedFrames are the first three frames that B sends. go-ethereum's rlpx.Conn made them with the secrets of (Auth₂,
// Ack₂): the Hello of EIP-8, then, compressed, an empty list with code 2 and 1000 zeros with code 0x80.
const sealedFrames = "f25954f27a7e8fa7ba4cbb3756ff0ca1efe4363aef5ccfb5d04ef4f8deb1a3c3bf4ba3ea7d858cad96cc2e5647a52447" +
	"e9c2ffc85b72da777ae5fca4bda1cf04d21e3ea2bfdf1d7364b88ecedf258d27893c43d09cbc7dcdd4571ae9d8442f28" +
	"22b925492c5b8cf460f7c9a22420525fbd72fda6e30bb8c45e31307552de4079b42dbdeb5ff8288bbb3463a9f4f213e3" +
	"c7c7ac097700ba8d65a612a3835279ab17399481dbc5f91280191ddb05a13bcf989863a397a4f4edae35f2a5d448ab68" +
	"30631a1a9f2ab4f8e70000e4b03da0c41082e1e20a174be7a0c25da343c280a1d2389bfa4331215e96363676544eeb74" +
	"7435541e19fa39ee048dd1633eb3f3e8fc65c4c268d7f0cf104548d5d0a0e3fee4b1cb8c35320e40b3323926e119cd57" +
	"1c2a58b4c2681fa5d9c7875faffd41c0573e0d7444bf6b9902bc64c1c53ffafe30803c032a714e19f5aa4ad9fdf7c1b8" +
	"4956be71e8d17805b19f7c800f2bee61"

func TestFrameVector(t *testing.T) {
	a, b := newEIP8(t).secrets(t)
	want := []struct {
		code    uint64
		payload []byte
	}{{HelloMsg, unhex(t, helloNext)}, {PingMsg, []byte{0xc0}}, {0x80, make([]byte, 1000)}}

	// A decrypts each frame, and the decrypted content is laid out again as it is. It is not compressed again, because
	// the compressor's choices are not part of the vector.
	d := NewDecoder(a)
	var laidOut []byte
	rest := unhex(t, sealedFrames)
	for i, w := range want {
		frame, n, _, err := d.Next(rest)
		if err != nil || n == 0 {
			t.Fatalf("frame %d: %d bytes consumed, %v", i, n, err)
		}
		rest = rest[n:]
		code, body, err := ParseMessage(frame)
		if err != nil {
			t.Fatal(err)
		}
		if laidOut, err = AppendFrame(laidOut, code, body); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if body, err = Decompress(make([]byte, len(w.payload)), body); err != nil {
				t.Fatal(err)
			}
		}
		if code != w.code || !bytes.Equal(body, w.payload) {
			t.Errorf("frame %d: code %#x, payload %x", i, code, body)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes left", len(rest))
	}
	// B seals the frames.
	if err := NewEncoder(b).Seal(laidOut); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(laidOut); got != sealedFrames {
		t.Errorf("sealed differently:\n%s", got)
	}
}
