package announce_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/protocols/eth"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
)

var some = []announce.Tx{
	{Hash: common.Hash{1}, Type: 0, Size: 110},
	{Hash: common.Hash{2}, Type: 3, Size: 137567},
	{Hash: common.Hash{3}, Type: 4, Size: 1<<32 - 1},
	{Hash: common.Hash{4}, Type: 2, Size: 0},
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fields returns the three lists as go-ethereum's packets have them.
func fields(txs []announce.Tx) (kinds []byte, sizes []uint32, hashes []common.Hash) {
	for _, tx := range txs {
		kinds, sizes, hashes = append(kinds, tx.Type), append(sizes, tx.Size), append(hashes, tx.Hash)
	}
	return kinds, sizes, hashes
}

// TestFormsOfVersions compares messages with go-ethereum's, and parses them again.
func TestFormsOfVersions(t *testing.T) {
	mask := types.NewCustodyBitmap([]uint64{0, 9, 127})
	for _, txs := range [][]announce.Tx{nil, some[:1], some} {
		kinds, sizes, hashes := fields(txs)
		for version := uint(68); version <= 72; version++ {
			var theirs any = &eth.NewPooledTransactionHashesPacket71{Types: kinds, Sizes: sizes, Hashes: hashes}
			wantMask := types.CustodyBitmap{}
			if version == 72 {
				theirs = &eth.NewPooledTransactionHashesPacket72{Types: kinds, Sizes: sizes, Hashes: hashes, Mask: mask}
				wantMask = mask
			}
			got := announce.Encode(version, txs, mask)
			if want := encode(t, theirs); !bytes.Equal(got, want) {
				t.Errorf("eth/%d, %d transactions: %x, want %x", version, len(txs), got, want)
			}
			m, err := announce.Parse(version, got)
			if err != nil {
				t.Fatalf("eth/%d: %v", version, err)
			}
			if back := slices.Collect(m.All()); !slices.Equal(back, txs) || m.Len() != len(txs) || m.Mask != wantMask {
				t.Errorf("eth/%d: parsed %+v with mask %x", version, back, m.Mask)
			}
		}
	}
}

// TestMaskIsAlwaysSent: go-ethereum refuses a message of eth/72 whose mask has less than 16 bytes, also
// one without type-3 transactions.
func TestMaskIsAlwaysSent(t *testing.T) {
	payload := announce.Encode(72, some[:1], types.CustodyBitmap{})
	if !bytes.HasSuffix(payload, append([]byte{0x90}, make([]byte, 16)...)) {
		t.Errorf("no mask of 16 bytes at the end: %x", payload)
	}
	if _, err := announce.Parse(72, announce.Encode(71, some, types.CustodyBitmap{})); !errors.Is(err, announce.ErrMessage) {
		t.Errorf("a message of eth/72 without a mask: %v", err)
	}
	if _, err := announce.Parse(71, payload); !errors.Is(err, announce.ErrMessage) {
		t.Errorf("a message of eth/71 with a mask: %v", err)
	}
}

// TestMaskIsLittleEndian: column 0 is the lowest bit of the first byte; read as a big-endian number
// it was column 120 (reth #27089).
func TestMaskIsLittleEndian(t *testing.T) {
	payload := announce.Encode(72, nil, types.NewCustodyBitmap([]uint64{0}))
	if mask := payload[len(payload)-16:]; mask[0] != 1 || !bytes.Equal(mask[1:], make([]byte, 15)) {
		t.Errorf("column 0 is sent as %x", mask)
	}
	m, err := announce.Parse(72, payload)
	if err != nil || !slices.Equal(m.Mask.Indices(), []uint64{0}) {
		t.Errorf("column 0 is read as %v (%v)", m.Mask.Indices(), err)
	}
}

// TestMalformedMessages: each is an error that says what is wrong, and none a panic.
func TestMalformedMessages(t *testing.T) {
	hash := common.Hash{}
	one, size, hashes := []byte{2}, []uint64{1}, []any{hash}
	for name, payload := range map[string][]byte{
		"nothing":                {},
		"a string":               encode(t, "announcement"),
		"no field":               encode(t, []any{}),
		"bytes after":            append(announce.Encode(71, some, types.CustodyBitmap{}), 0),
		"types are a list":       encode(t, []any{[]uint64{2}, size, hashes}),
		"sizes are a string":     encode(t, []any{one, "1", hashes}),
		"hashes are a string":    encode(t, []any{one, size, hash}),
		"two types for one hash": encode(t, []any{[]byte{2, 2}, size, hashes}),
		"two sizes for one hash": encode(t, []any{one, []uint64{1, 1}, hashes}),
		"no hash":                encode(t, []any{one, size, []any{}}),
		"two hashes":             encode(t, []any{one, size, []any{hash, hash}}),
		"a hash of 31 bytes":     encode(t, []any{one, size, []any{hash[1:]}}),
		"a hash in two pieces":   encode(t, []any{one, size, []any{hash[:15], hash[:16]}}),
		"a list as a size":       encode(t, []any{one, []any{[]any{}}, hashes}),
		"a size of five bytes":   encode(t, []any{one, []uint64{1 << 32}, hashes}),
		"a size with a zero":     {0xe5, 2, 0xc2, 0x81, 1, 0xe1, 0xa0, 31: 0, 37: 0},
		"a cut":                  announce.Encode(71, some, types.CustodyBitmap{})[:40],
	} {
		if _, err := announce.Parse(71, payload); !errors.Is(err, announce.ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, mask := range map[string]any{"15 bytes": make([]byte, 15), "17 bytes": make([]byte, 17), "a list": []any{}} {
		if _, err := announce.Parse(72, encode(t, []any{one, size, hashes, mask})); !errors.Is(err, announce.ErrMessage) {
			t.Errorf("mask of %s: %v", name, err)
		}
	}
}

// TestParseAllocatesNothing: what a remote sends costs no memory beyond its bytes.
func TestParseAllocatesNothing(t *testing.T) {
	payload := announce.Encode(72, make([]announce.Tx, 10000), types.CustodyBitmap{})
	if n := testing.AllocsPerRun(10, func() {
		m, err := announce.Parse(72, payload)
		if err != nil {
			t.Fatal(err)
		}
		for range m.All() {
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse: what is parsed is encoded as it was, and go-ethereum's decoder agrees.
func FuzzParse(f *testing.F) {
	for _, txs := range [][]announce.Tx{nil, some} {
		f.Add(announce.Encode(71, txs, types.CustodyBitmap{}))
		f.Add(announce.Encode(72, txs, types.CustodyBitmapAll))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, version := range []uint{71, 72} {
			var theirs any = new(eth.NewPooledTransactionHashesPacket71)
			if version == 72 {
				theirs = new(eth.NewPooledTransactionHashesPacket72)
			}
			m, err := announce.Parse(version, b)
			theirErr := rlp.DecodeBytes(b, theirs)
			if err == nil {
				if back := announce.Encode(version, slices.Collect(m.All()), m.Mask); !bytes.Equal(back, b) {
					t.Errorf("eth/%d: %x becomes %x", version, b, back)
				}
				if theirErr != nil {
					t.Errorf("eth/%d: go-ethereum refuses %x: %v", version, b, theirErr)
				}
			}
		}
	})
}
