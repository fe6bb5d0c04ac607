package pool_test

import (
	"crypto/ecdsa"
	"encoding/binary"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// start is when tests begin.
var start = time.Unix(1_800_000_000, 0)

// Origins in two networks, and a trusted one.
var (
	one     = pool.Origin{Network: pool.NetworkOf(netip.MustParseAddr("192.0.2.1"))}
	two     = pool.Origin{Network: pool.NetworkOf(netip.MustParseAddr("198.51.100.1"))}
	trusted = pool.Origin{Network: one.Network, Trusted: true}
)

func address(i int) (a common.Address) {
	binary.BigEndian.PutUint64(a[12:], uint64(i))
	return a
}

// transfer returns a transaction with a fee cap in wei, and a tip of the same. The pool does not
// look at signatures.
func transfer(t testing.TB, sender int, nonce uint64, price int64) *pool.Tx {
	return newTx(t, sender, &types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: nonce, Gas: 21000, To: new(common.Address), Value: big.NewInt(int64(sender)),
		GasFeeCap: big.NewInt(price), GasTipCap: big.NewInt(price),
	})
}

func newTx(t testing.TB, sender int, inner types.TxData) *pool.Tx {
	t.Helper()
	tx, err := pool.NewTx(types.NewTx(inner), address(sender), types.CustodyBitmap{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// blobTx returns a type-3 transaction with data in its blobs, and with the cells of them that are
// data: a blob is these, one after the other.
func blobTx(t testing.TB, blobs int, custody types.CustodyBitmap, change func(*types.BlobTx)) (*types.Transaction, *pool.Tx) {
	t.Helper()
	sidecar := &types.BlobTxSidecar{Version: types.BlobSidecarVersion1}
	inner := &types.BlobTx{ChainID: uint256.NewInt(1), Gas: 100000, GasFeeCap: uint256.NewInt(100), GasTipCap: uint256.NewInt(100), BlobFeeCap: uint256.NewInt(100)}
	var cells []kzg4844.Cell
	for i := range blobs {
		var blob kzg4844.Blob
		for j := range blob {
			if j%32 != 0 { // a field element is less than the modulus
				blob[j] = byte(i + j)
			}
		}
		for _, column := range custody.Indices() {
			size := len(kzg4844.Cell{})
			at := int(column) % kzg4844.DataPerBlob * size
			cells = append(cells, kzg4844.Cell(blob[at:at+size]))
		}
		sidecar.Blobs = append(sidecar.Blobs, blob)
		sidecar.Commitments = append(sidecar.Commitments, kzg4844.Commitment{byte(i)})
		sidecar.Proofs = append(sidecar.Proofs, make([]kzg4844.Proof, kzg4844.CellProofsPerBlob)...)
	}
	inner.BlobHashes = sidecar.BlobHashes()
	if change != nil {
		change(inner)
	}
	full := types.NewTx(inner).WithBlobTxSidecar(sidecar)
	elided := full.WithBlobTxSidecar(&types.BlobTxSidecar{Version: sidecar.Version, Commitments: sidecar.Commitments, Proofs: sidecar.Proofs})
	tx, err := pool.NewTx(elided, address(1), custody, cells)
	if err != nil {
		t.Fatal(err)
	}
	return full, tx
}

func newKey(t testing.TB) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

// accounts is a State that knows the accounts in it, and no others.
type accounts map[common.Address]account

type account struct {
	nonce   uint64
	balance uint64
}

func (a accounts) Account(addr common.Address) (uint64, uint256.Int, bool) {
	acct, ok := a[addr]
	return acct.nonce, *uint256.NewInt(acct.balance), ok
}

// rich is a State in which every account is rich.
type rich struct{}

func (rich) Account(common.Address) (uint64, uint256.Int, bool) {
	return 0, *uint256.NewInt(1 << 62), true
}

func add(t testing.TB, p *pool.Pool, tx *pool.Tx, from pool.Origin) {
	t.Helper()
	if err := p.Add(start, tx, from); err != nil {
		t.Fatalf("sender %v, nonce %d: %v", tx.Sender(), tx.Nonce(), err)
	}
}

// ready returns all that may go on, by hash.
func ready(p *pool.Pool) map[common.Hash]pool.Scope {
	all := map[common.Hash]pool.Scope{}
	for {
		list := p.Ready(3)
		if len(list) == 0 {
			return all
		}
		for _, out := range list {
			all[out.Tx.Hash()] = out.Scope
		}
	}
}
