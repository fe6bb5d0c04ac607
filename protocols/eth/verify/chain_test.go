package verify_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// headers returns the test chain's headers from one number to another.
func headers(t testing.TB, from, to uint64) []verify.Header {
	t.Helper()
	var list []verify.Header
	for _, b := range testchain.Blocks(t)[from : to+1] {
		h, err := verify.DecodeHeader(b.Header)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
	return list
}

// listOf encodes a list of encoded items.
func listOf(items ...[]byte) []byte {
	var content []byte
	for _, b := range items {
		content = append(content, b...)
	}
	return append(serve.AppendListHead(nil, len(content)), content...)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changed returns the encoding of a header with a change.
func changed(t testing.TB, h verify.Header, change func(*types.Header)) []byte {
	t.Helper()
	f := types.CopyHeader(h.Fields)
	change(f)
	return encode(t, f)
}

// wants checks that an error names a field, and that of a lying remote the text does.
func wants(t *testing.T, name string, err error, field verify.Field) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	var wrong *verify.Error
	if !errors.As(err, &wrong) {
		t.Errorf("%s: %v, want an error about %s", name, err, field)
		return
	}
	if wrong.Field != field || !strings.Contains(err.Error(), string(field)) {
		t.Errorf("%s: %q names %q, want %q", name, err, wrong.Field, field)
	}
}

// numbers returns the numbers of the blocks that an answer has a part of.
func numbers(a verify.Answer) (list []uint64) {
	for _, p := range a.Parts {
		if !p.None() {
			list = append(list, p.Header().Number)
		}
	}
	return list
}

var (
	zeroInt       = new(big.Int)
	emptyListHash = crypto.Keccak256Hash([]byte{0xc0})
)
