package wire

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/crypto"
)

// pointLen is the length in bytes of an uncompressed public key without its format byte.
const pointLen = 64

var errBadPoint = errors.New("not a point of secp256k1")

// appendPoint appends the 64 bytes of an uncompressed public key to dst.
func appendPoint(dst []byte, pub *ecdsa.PublicKey) []byte {
	return append(dst, crypto.FromECDSAPub(pub)[1:]...)
}

// parsePoint reads 64 bytes as a public key and verifies that it lies on the curve: agreeing with a point
// elsewhere would give away bits of the private key.
func parsePoint(b []byte) (*ecdsa.PublicKey, error) {
	var p [1 + pointLen]byte
	p[0] = 4 // format: uncompressed
	if copy(p[1:], b) != pointLen || len(b) != pointLen {
		return nil, errBadPoint
	}
	pub, err := crypto.UnmarshalPubkey(p[:])
	if err != nil {
		return nil, errBadPoint
	}
	return pub, nil
}

// generateKey makes a key pair from the bytes of rand alone, so that a caller decides where randomness comes from.
func generateKey(rand io.Reader) (*ecdsa.PrivateKey, error) {
	var b [32]byte
	defer clear(b[:])
	for {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return nil, fmt.Errorf("wire: reading randomness for a key: %w", err)
		}
		// It refuses what isn't below the curve's order, one draw in 2^127.
		if key, err := crypto.ToECDSA(b[:]); err == nil {
			return key, nil
		}
	}
}

// agree is the ecdh.agree of rlpx.md: the X coordinate of the shared point. pub must be known to lie on the curve.
func agree(key *ecdsa.PrivateKey, pub *ecdsa.PublicKey) (secret [32]byte, err error) {
	d := crypto.FromECDSA(key)
	defer clear(d)
	//lint:ignore SA1019 the alternatives know only the curves of the standard library, and secp256k1 is none of them
	x, _ := crypto.S256().ScalarMult(pub.X, pub.Y, d)
	if x == nil {
		return secret, errBadPoint
	}
	x.FillBytes(secret[:])
	return secret, nil
}
