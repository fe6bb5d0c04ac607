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

// parsePoint reads 64 bytes as a public key and verifies that it lies on the curve. Key agreement with a point off the
// curve would leak bits of the private key.
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

// generateKey makes a key pair from the bytes of rand alone, so the caller chooses the source of randomness.
func generateKey(rand io.Reader) (*ecdsa.PrivateKey, error) {
	var b [32]byte
	defer clear(b[:])
	for {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return nil, fmt.Errorf("wire: reading randomness for a key: %w", err)
		}
		// ToECDSA rejects a value that isn't below the curve's order, which one draw in 2^127 yields.
		if key, err := crypto.ToECDSA(b[:]); err == nil {
			return key, nil
		}
	}
}

// agree is the ecdh.agree of rlpx.md: it returns the X coordinate of the shared point. The caller must have verified
// that pub lies on the curve.
func agree(key *ecdsa.PrivateKey, pub *ecdsa.PublicKey) (secret [32]byte, err error) {
	d := crypto.FromECDSA(key)
	defer clear(d)
	//lint:ignore SA1019 the alternatives support only the curves of the standard library, which lacks secp256k1
	x, _ := crypto.S256().ScalarMult(pub.X, pub.Y, d)
	if x == nil {
		return secret, errBadPoint
	}
	x.FillBytes(secret[:])
	return secret, nil
}
