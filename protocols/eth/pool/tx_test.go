package pool_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// TestForms: a transaction is served as go-ethereum encodes it, and announced with the size of that.
func TestForms(t *testing.T) {
	to := common.Address{1}
	for _, inner := range []types.TxData{
		&types.LegacyTx{Nonce: 1, Gas: 21000, GasPrice: big.NewInt(7), To: &to, Data: make([]byte, 300)},
		&types.AccessListTx{ChainID: big.NewInt(1), GasPrice: big.NewInt(7), AccessList: types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}}}}},
		&types.DynamicFeeTx{ChainID: big.NewInt(1), GasFeeCap: big.NewInt(7), GasTipCap: big.NewInt(1)},
		&types.SetCodeTx{ChainID: uint256.NewInt(1), GasFeeCap: uint256.NewInt(7), GasTipCap: uint256.NewInt(1), AuthList: []types.SetCodeAuthorization{{}}},
	} {
		theirs := types.NewTx(inner)
		tx := newTx(t, 1, inner)
		want, err := rlp.EncodeToBytes(theirs)
		if err != nil {
			t.Fatal(err)
		}
		for version := uint(68); version <= 72; version++ {
			got, err := tx.Encode(version)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("type %d, eth/%d: %x, want %x (%v)", theirs.Type(), version, got, want, err)
			}
			a, ok := tx.Announcement(version)
			if !ok || a.Hash != theirs.Hash() || a.Type != theirs.Type() || uint64(a.Size) != theirs.Size() {
				t.Errorf("type %d, eth/%d: %+v, want size %d", theirs.Type(), version, a, theirs.Size())
			}
		}
	}
}

// TestSizesOfBlobTransactions: announcers of eth/71 and eth/72 mean different sizes (geth #35524),
// and neither is that of the transaction without its sidecar (EIPs #12275). Both are exactly what
// is served (besu #11203, ethrex #7235).
func TestSizesOfBlobTransactions(t *testing.T) {
	for _, blobs := range []int{1, 2, 6, 9, 12} { // from 11 on, the length of the list without blobs has three bytes
		full, tx := blobTx(t, blobs, types.CustodyBitmapData, nil)
		elided, err := tx.Encode(72)
		if err != nil {
			t.Fatal(err)
		}
		for version, want := range map[uint]uint64{68: full.Size(), 71: full.Size(), 72: uint64(len(elided) - 4)} {
			item, err := tx.Encode(version)
			if err != nil {
				t.Fatal(err)
			}
			_, content, _, err := rlp.Split(item)
			if err != nil {
				t.Fatal(err)
			}
			a, ok := tx.Announcement(version)
			if !ok || len(content) != int(a.Size) {
				t.Errorf("%d blobs, eth/%d: announced %d, served %d", blobs, version, a.Size, len(content))
			}
			if version < 72 && uint64(a.Size) != want {
				t.Errorf("%d blobs, eth/%d: announced %d, want %d", blobs, version, a.Size, want)
			}
			back := new(types.Transaction)
			if err := back.UnmarshalBinary(content); err != nil || back.Hash() != full.Hash() {
				t.Errorf("%d blobs, eth/%d: %v", blobs, version, err)
				continue
			}
			s, wantBlobs := back.BlobTxSidecar(), 0
			if version < 72 {
				wantBlobs = blobs
			}
			if len(s.Blobs) != wantBlobs || len(s.Commitments) != blobs || len(s.Proofs) != 128*blobs {
				t.Errorf("%d blobs, eth/%d: sidecar with %d blobs, %d commitments, %d proofs", blobs, version, len(s.Blobs), len(s.Commitments), len(s.Proofs))
			}
			for i := range s.Blobs {
				if s.Blobs[i] != full.BlobTxSidecar().Blobs[i] {
					t.Errorf("%d blobs, eth/%d: blob %d differs", blobs, version, i)
				}
			}
		}
	}
}

// TestFewColumns: without half of the columns a blob transaction exists in eth/72 only.
func TestFewColumns(t *testing.T) {
	custody := types.NewCustodyBitmap([]uint64{0, 9, 127})
	_, tx := blobTx(t, 2, custody, nil)
	for version := uint(68); version <= 72; version++ {
		_, ok := tx.Announcement(version)
		item, err := tx.Encode(version)
		if want := version == 72; ok != want || (item != nil) != want || err != nil {
			t.Errorf("eth/%d: announced %v, %d bytes, %v", version, ok, len(item), err)
		}
	}
	if tx.Custody() != custody || len(tx.Cells()) != 6 {
		t.Errorf("custody %x, %d cells", tx.Custody(), len(tx.Cells()))
	}
}

// TestIncompleteBlobTransactions do not get into a pool.
func TestIncompleteBlobTransactions(t *testing.T) {
	full, tx := blobTx(t, 2, types.CustodyBitmapData, nil)
	elided := full.WithBlobTxSidecar(&types.BlobTxSidecar{Version: 1, Commitments: full.BlobTxSidecar().Commitments, Proofs: full.BlobTxSidecar().Proofs})
	for name, c := range map[string]struct {
		tx      *types.Transaction
		custody types.CustodyBitmap
		cells   []kzg4844.Cell
	}{
		"no sidecar":     {full.WithoutBlobTxSidecar(), tx.Custody(), tx.Cells()},
		"with blobs":     {full, tx.Custody(), tx.Cells()},
		"no cells":       {elided, types.CustodyBitmap{}, nil},
		"a cell missing": {elided, tx.Custody(), tx.Cells()[1:]},
	} {
		if _, err := pool.NewTx(c.tx, address(1), c.custody, c.cells); !errors.Is(err, pool.ErrSidecar) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
