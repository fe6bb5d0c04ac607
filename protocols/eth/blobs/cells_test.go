package blobs_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/eth/protocols/eth"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// TestCustody: the columns are those of the consensus specs' get_custody_groups. The first vector is a
// consensus client's; the others follow from the specs by hand.
func TestCustody(t *testing.T) {
	for _, c := range []struct {
		id    string
		count int
		want  []uint64
	}{
		{"cdbee32dc3c50e9711d22be5565c7e44ff6108af663b2dc5abd2df573d2fa83f", 4, []uint64{2, 80, 89, 118}},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0, []uint64{}},
	} {
		if got := blobs.Custody(enode.HexID(c.id), c.count).Indices(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.id, got, c.want)
		}
	}
	last, zero := blobs.Custody(enode.HexID("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"), 2), blobs.Custody(enode.ID{}, 1)
	if last.Intersection(zero) != zero {
		t.Errorf("after the largest number comes %v, want zero's %v", last.Indices(), zero.Indices())
	}
	if got := blobs.Custody(enode.ID{}, 1000); got != all {
		t.Errorf("all columns are %v", got.Indices())
	}
	for text, ok := range map[string]bool{"0": true, "127": true, "128": false, "-1": false, "": false, "18446744073709551617": false} {
		if _, err := blobs.ParseColumn(text); (err == nil) != ok {
			t.Errorf("column %q: %v", text, err)
		}
	}
}

// encode returns the list of an answer.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestServedCellsAreParsed: what this node serves is what go-ethereum reads, and what is parsed is what
// was served, in order.
func TestServedCellsAreParsed(t *testing.T) {
	x, y := sign(varied(), 0), sign(ethtest.Blob(7), 1)
	store := map[common.Hash]blobs.Cells{x.hash(): x.answer(all), y.hash(): y.answer(data)}
	get := func(h common.Hash) ([]kzg4844.Cell, types.CustodyBitmap) { return store[h].Cells, store[h].Mask }
	for _, c := range []struct {
		mask types.CustodyBitmap
		want []*transaction
	}{
		{types.NewCustodyBitmap([]uint64{1, 17, 63}), []*transaction{x, y}},
		{custody, []*transaction{x}}, // column 100 is missing
		{all, []*transaction{x}},
		{types.CustodyBitmap{}, nil},
	} {
		ask := blobs.Ask{Hashes: []common.Hash{{1}, x.hash(), {2}, y.hash()}, Mask: c.mask}
		hashes, list := serve.Cells(ask.Hashes, c.mask, get)
		got, err := ask.Parse(hashes, list, c.mask)
		if err != nil || len(got) != len(c.want) {
			t.Fatalf("%v: %d transactions, %v", c.mask.Indices(), len(got), err)
		}
		for i, x := range c.want {
			if want := x.answer(c.mask); !reflect.DeepEqual(got[i], want) {
				t.Errorf("%v: transaction %d has other cells", c.mask.Indices(), i)
			}
			if err := blobs.Verify(x.tx.BlobTxSidecar(), &got[i]); err != nil {
				t.Errorf("%v: transaction %d: %v", c.mask.Indices(), i, err)
			}
		}
		var theirs eth.CellsPacket
		if err := rlp.DecodeBytes(encode(t, []any{uint64(1), hashes, rlp.RawValue(list), c.mask}), &theirs); err != nil {
			t.Errorf("%v: go-ethereum: %v", c.mask.Indices(), err)
		}
	}
}

// TestServedCellsAreBounded: an answer ends when it has 1,024 cells (2 MiB), and looks up 4,096 hashes.
func TestServedCellsAreBounded(t *testing.T) {
	cells := make([]kzg4844.Cell, 6*blobs.Columns)
	lookups := 0
	get := func(h common.Hash) ([]kzg4844.Cell, types.CustodyBitmap) {
		lookups++
		if h == (common.Hash{}) {
			return nil, types.CustodyBitmap{}
		}
		return cells, all
	}
	hashes, list := serve.Cells(slices.Repeat([]common.Hash{{1}}, 100), all, get)
	if len(hashes) != 2 || lookups != 2 || len(list) > serve.MaxMessage {
		t.Errorf("%d transactions of 768 cells, %d bytes", len(hashes), len(list))
	}
	lookups = 0
	if hashes, _ := serve.Cells(make([]common.Hash, 10_000), all, get); len(hashes) != 0 || lookups != 4096 {
		t.Errorf("%d lookups, want 4,096", lookups)
	}
}

// TestMalformedCells: each answer is refused by name, whatever it claims.
func TestMalformedCells(t *testing.T) {
	mask := types.NewCustodyBitmap([]uint64{0, 9})
	ask := blobs.Ask{Hashes: []common.Hash{{1}, {2}}, Mask: mask}
	cell := make([]byte, 2048)
	two := []any{cell, cell}
	one := []common.Hash{{1}}
	for name, c := range map[string]struct {
		hashes []common.Hash
		list   any
		mask   types.CustodyBitmap
	}{
		"a column that was not asked for":      {one, []any{[]any{cell}}, types.NewCustodyBitmap([]uint64{1})},
		"all columns":                          {one, []any{slices.Repeat(two, 64)}, all},
		"a transaction that was not asked for": {[]common.Hash{{3}}, []any{two}, mask},
		"a transaction twice":                  {[]common.Hash{{1}, {1}}, []any{two, two}, mask},
		"no list for a transaction":            {[]common.Hash{{1}, {2}}, []any{two}, mask},
		"more lists than transactions":         {one, []any{two, two}, mask},
		"a string":                             {one, cell, mask},
		"a cell in place of a list":            {one, []any{cell}, mask},
		"one cell of two columns":              {one, []any{[]any{cell}}, mask},
		"cells without columns":                {one, []any{two}, types.CustodyBitmap{}},
		"cells of seven blobs":                 {one, []any{slices.Repeat(two, 7)}, mask},
		"a cell of 2047 bytes":                 {one, []any{[]any{cell, cell[1:]}}, mask},
		"cells of 2047 and 2049 bytes":         {one, []any{[]any{make([]byte, 2049), cell[1:]}}, mask},
		"a list as a cell":                     {one, []any{[]any{slices.Repeat([]any{[]byte{}}, 2048), cell}}, mask},
	} {
		if got, err := ask.Parse(c.hashes, encode(t, c.list), c.mask); !errors.Is(err, blobs.ErrAnswer) {
			t.Errorf("%s: %d transactions, %v", name, len(got), err)
		}
	}
	for name, c := range map[string]struct {
		hashes []common.Hash
		list   any
		want   int
	}{
		"nothing":       {nil, []any{}, 0},
		"an empty list": {one, []any{[]any{}}, 0},
		"one of two":    {[]common.Hash{{2}}, []any{two}, 1},
		"six blobs":     {one, []any{slices.Repeat(two, 6)}, 1},
	} {
		if got, err := ask.Parse(c.hashes, encode(t, c.list), mask); err != nil || len(got) != c.want {
			t.Errorf("%s: %d transactions, %v", name, len(got), err)
		}
	}
}

// FuzzParse: whatever is accepted was asked for, and has cells for each column of 1 to 6 blobs.
func FuzzParse(f *testing.F) {
	mask := types.NewCustodyBitmap([]uint64{0, 9})
	hash := common.Hash{1}
	cells := slices.Repeat([]any{make([]byte, 2048)}, 4)
	f.Add(hash[:], encode(f, []any{cells}), mask[:])
	f.Add(append(hash[:], make([]byte, 32)...), encode(f, []any{cells, cells}), mask[:])
	f.Add([]byte{}, []byte{0xc0}, all[:])
	f.Fuzz(func(t *testing.T, names, list, columns []byte) {
		var m types.CustodyBitmap
		copy(m[:], columns)
		var hashes []common.Hash
		for ; len(names) >= 32; names = names[32:] {
			hashes = append(hashes, common.Hash(names[:32]))
		}
		ask := blobs.Ask{Hashes: []common.Hash{{}, hash}, Mask: mask}
		got, err := ask.Parse(hashes, list, m)
		if err != nil && !errors.Is(err, blobs.ErrAnswer) {
			t.Fatalf("another error: %v", err)
		}
		for _, c := range got {
			if c.Mask != m || m.Difference(mask) != (types.CustodyBitmap{}) || !slices.Contains(ask.Hashes, c.Hash) {
				t.Errorf("not asked for: %v %v", c.Hash, c.Mask.Indices())
			}
			if n := c.Blobs(); n < 1 || n > blobs.MaxBlobs || len(c.Cells) != n*m.OneCount() {
				t.Errorf("%d cells in %d columns", len(c.Cells), m.OneCount())
			}
		}
	})
}
