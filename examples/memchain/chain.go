package main

import (
	"fmt"
	"math/big"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// memory is a chain in memory, a serve.Source. Its blocks are made at the start. They become visible
// one after the other.
type memory struct {
	network *chain.Network
	numbers map[common.Hash]uint64
	blocks  []*block // by number
	head    atomic.Uint64
}

// block has the parts that peers ask for, as RLP.
type block struct {
	chain.Block
	parts map[chain.Part][]byte
}

// newMemory makes a chain of count blocks after the genesis block, each with a transfer.
func newMemory(count int) (*memory, error) {
	key, err := crypto.HexToECDSA("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291") // known to all
	if err != nil {
		return nil, err
	}
	from, config := crypto.PubkeyToAddress(key.PublicKey), rules()
	genesis := &core.Genesis{
		Config: config, Difficulty: new(big.Int), BaseFee: big.NewInt(params.InitialBaseFee), GasLimit: params.GenesisGasLimit,
		Alloc: types.GenesisAlloc{from: {Balance: big.NewInt(params.Ether)}},
	}
	signer := types.LatestSigner(config)
	_, blocks, receipts := core.GenerateChainWithGenesis(genesis, beacon.New(ethash.NewFaker()), count, func(i int, b *core.BlockGen) {
		b.AddTx(types.MustSignNewTx(key, signer, &types.DynamicFeeTx{
			ChainID: config.ChainID, Nonce: uint64(i), To: &from, Gas: params.TxGas, GasFeeCap: b.BaseFee(), GasTipCap: new(big.Int),
		}))
	})
	m := &memory{network: chain.NewNetwork("memory", genesis), numbers: map[common.Hash]uint64{}}
	if err := m.add(m.network.Genesis, nil); err != nil {
		return nil, err
	}
	for i, b := range blocks {
		if err := m.add(b, receipts[i]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// rules returns those of a chain up to Cancun. Later ones need contracts in the genesis block.
func rules() *params.ChainConfig {
	config := *params.MergedTestChainConfig
	config.PragueTime, config.OsakaTime, config.AmsterdamTime = nil, nil, nil
	return &config
}

// add encodes a block and its receipts.
func (m *memory) add(b *types.Block, receipts types.Receipts) error {
	added := &block{
		Block: chain.Block{Number: b.NumberU64(), Hash: b.Hash(), Time: b.Time()},
		parts: map[chain.Part][]byte{},
	}
	for part, value := range map[chain.Part]any{chain.Header: b.Header(), chain.Body: b.Body(), chain.Receipts: receipts} {
		encoded, err := rlp.EncodeToBytes(value)
		if part == chain.Receipts && err == nil {
			encoded, err = chain.SlimReceipts(encoded)
		}
		if err != nil {
			return fmt.Errorf("%v of block %d: %w", part, b.NumberU64(), err)
		}
		added.parts[part] = encoded
	}
	m.numbers[added.Hash] = added.Number
	m.blocks = append(m.blocks, added)
	return nil
}

// grow makes one more block visible. It returns false if there is none.
func (m *memory) grow() bool {
	if m.head.Load()+1 == uint64(len(m.blocks)) {
		return false
	}
	m.head.Add(1)
	return true
}

// at returns the visible block with a number, or nil.
func (m *memory) at(number uint64) *block {
	if number > m.head.Load() {
		return nil
	}
	return m.blocks[number]
}

// Number implements serve.Source.
func (m *memory) Number(hash common.Hash) (number uint64, ok bool) {
	number, ok = m.numbers[hash]
	return number, ok && m.at(number) != nil
}

// Read implements serve.Source.
func (m *memory) Read(p chain.Part, number uint64) ([]byte, error) {
	if b := m.at(number); b != nil && b.parts[p] != nil {
		return b.parts[p], nil
	}
	return nil, chain.ErrAbsent
}

// Side implements serve.Source. There are no blocks beside the chain.
func (m *memory) Side(common.Hash) (header []byte, ok bool) { return nil, false }
