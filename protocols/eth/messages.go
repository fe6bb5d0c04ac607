package eth

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// The versions of the protocol, and how many message codes each has.
const (
	eth68 = 68
	eth69 = 69 // EIP-7642: no bloom in receipts, a block range in the status
	eth70 = 70 // EIP-7975: receipts in parts
	eth71 = 71 // EIP-8159: block access lists
	eth72 = 72 // EIP-8070: cells of blobs
)

var lengths = map[uint]uint64{eth68: 17, eth69: 18, eth70: 18, eth71: 20, eth72: 22}

// Status is the first message of each side from eth/69 on.
type Status struct {
	Version    uint64
	NetworkID  uint64
	Genesis    common.Hash
	ForkID     forkid.ID
	Earliest   uint64
	Latest     uint64
	LatestHash common.Hash
}

// Status68 is the first message of each side in eth/68.
type Status68 struct {
	Version         uint64
	NetworkID       uint64
	TotalDifficulty *big.Int
	Head            common.Hash
	Genesis         common.Hash
	ForkID          forkid.ID
}

// List is an encoded list that is not decoded: what a remote sends costs no more memory than its
// bytes, and is checked where it is used.
type List = rlp.RawValue

// Hashes is a list of hashes of blocks or transactions.
type Hashes []common.Hash

// DecodeRLP implements rlp.Decoder. A request has up to thousands of hashes, which package rlp would
// decode by reflection one by one.
func (h *Hashes) DecodeRLP(s *rlp.Stream) error {
	raw, err := s.Raw()
	if err != nil {
		return err
	}
	content, _, err := rlp.SplitList(raw)
	if err != nil {
		return err
	}
	const size = 1 + common.HashLength // with its head
	if len(content)%size != 0 {
		return fmt.Errorf("%d bytes of hashes: each has %d", len(content), size)
	}
	list := make(Hashes, len(content)/size)
	for i := range list {
		item := content[i*size:]
		if item[0] != 0x80+common.HashLength {
			return fmt.Errorf("hash %d does not have %d bytes", i, common.HashLength)
		}
		copy(list[i][:], item[1:size])
	}
	*h = list
	return nil
}

// The requests and answers. Each has the request's ID first.
type (
	GetBlockHeaders struct {
		ID    uint64
		Query serve.HeadersQuery
	}
	BlockHeaders struct {
		ID      uint64
		Headers List
	}
	GetBlockBodies struct {
		ID     uint64
		Hashes Hashes
	}
	BlockBodies struct {
		ID     uint64
		Bodies List
	}
	GetPooledTransactions struct {
		ID     uint64
		Hashes Hashes
	}
	PooledTransactions struct {
		ID           uint64
		Transactions List
	}
	// GetReceipts and Receipts are those of eth/68 and 69.
	GetReceipts struct {
		ID     uint64
		Hashes Hashes
	}
	Receipts struct {
		ID       uint64
		Receipts List // in each version's own form
	}
	// GetReceipts70 and Receipts70 are those from eth/70 on.
	GetReceipts70 struct {
		ID     uint64
		First  uint64 // index of the first receipt of the first block
		Hashes Hashes
	}
	Receipts70 struct {
		ID         uint64
		Incomplete bool // the last block has more receipts
		Receipts   List
	}
	GetBlockAccessLists struct {
		ID     uint64
		Hashes Hashes
	}
	BlockAccessLists struct {
		ID    uint64
		Lists List
	}
	GetCells struct {
		ID     uint64
		Hashes Hashes
		Mask   types.CustodyBitmap
	}
	Cells struct {
		ID     uint64
		Hashes Hashes
		Cells  List // for each transaction a list of cells: by ascending column, in each the blobs in order
		Mask   types.CustodyBitmap
	}
)

// BlockRangeUpdate says that the blocks that a node serves have changed (EIP-7642).
type BlockRangeUpdate chain.Range

// limits of messages in bytes and RLP values.
const (
	maxMessage = serve.MaxMessage
	maxHashes  = 4096 * 4 // of a request, with room for clients that ask for more than is served
	maxRequest = maxHashes*33 + 64
	// maxPooled is the size of an answer with transactions or cells: 2 MiB, and the one that exceeds them.
	maxPooled = 4 << 20
)

// messages returns the messages of a version by code.
func messages(version uint) []protocols.Message {
	answer := protocols.MaxSize(maxMessage)
	request := []protocols.MessageOption{protocols.MaxSize(maxRequest), protocols.MaxItems(maxHashes + 8)}
	status := protocols.Type[Status](protocols.MaxSize(256))
	blocks := protocols.Unused()
	if version == eth68 {
		status = protocols.Type[Status68](protocols.MaxSize(256))
		blocks = protocols.Ignore() // proof of work is over, but eth/68 has the messages
	}
	list := []protocols.Message{
		status,
		blocks,                // NewBlockHashes
		protocols.Raw(answer), // Transactions
		protocols.Type[GetBlockHeaders](protocols.MaxSize(128)),
		protocols.Type[BlockHeaders](answer, protocols.Answers[GetBlockHeaders]()),
		protocols.Type[GetBlockBodies](request...),
		protocols.Type[BlockBodies](answer, protocols.Answers[GetBlockBodies]()),
		blocks,                // NewBlock
		protocols.Raw(answer), // NewPooledTransactionHashes
		protocols.Type[GetPooledTransactions](request...),
		protocols.Type[PooledTransactions](protocols.MaxSize(maxPooled), protocols.Answers[GetPooledTransactions]()),
		protocols.Unused(), protocols.Unused(), protocols.Unused(), protocols.Unused(),
	}
	if version < eth70 {
		list = append(list, protocols.Type[GetReceipts](request...), protocols.Type[Receipts](answer, protocols.Answers[GetReceipts]()))
	} else {
		list = append(list, protocols.Type[GetReceipts70](request...), protocols.Type[Receipts70](answer, protocols.Answers[GetReceipts70]()))
	}
	if version >= eth69 {
		list = append(list, protocols.Type[BlockRangeUpdate](protocols.MaxSize(128)))
	}
	if version >= eth71 {
		list = append(list, protocols.Type[GetBlockAccessLists](request...), protocols.Type[BlockAccessLists](answer, protocols.Answers[GetBlockAccessLists]()))
	}
	if version >= eth72 {
		list = append(list, protocols.Type[GetCells](request...), protocols.Type[Cells](protocols.MaxSize(maxPooled), protocols.Answers[GetCells]()))
	}
	return list
}
