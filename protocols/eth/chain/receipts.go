package chain

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// receipt is one receipt, as slices of what was read.
type receipt struct {
	typ    byte
	status []byte // content of the field: a status, or a root of 32 bytes before Byzantium
	gas    uint64 // cumulative
	logs   []byte // the whole list
}

// maxType is the highest type of a transaction (EIP-2718).
const maxType = 0x7f

// errShape says that receipts do not have the form that they are read in.
var errShape = errors.New("not a receipt")

// eachItem calls f with each item of the list b, until an error.
func eachItem(b []byte, f func(item []byte) error) error {
	rest, after, err := rlp.SplitList(b)
	if err != nil {
		return err
	}
	if len(after) != 0 {
		return errors.New("bytes after the list")
	}
	for i := 0; len(rest) > 0; i++ {
		_, _, next, err := rlp.Split(rest)
		if err == nil {
			err = f(rest[:len(rest)-len(next)])
		}
		if err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
		rest = next
	}
	return nil
}

// consensusReceipt reads a receipt of the form that a receipts root is computed of.
func consensusReceipt(item []byte) (r receipt, err error) {
	kind, content, _, err := rlp.Split(item)
	if err != nil {
		return r, err
	}
	if kind != rlp.List { // a type, and a list
		if len(content) == 0 || content[0] == 0 || content[0] > maxType {
			return r, errShape
		}
		r.typ = content[0]
		list, after, err := rlp.SplitList(content[1:])
		if err != nil || len(after) != 0 {
			return r, errShape
		}
		content = list
	}
	if content, err = r.statusAndGas(content); err != nil {
		return r, err
	}
	bloom, content, err := rlp.SplitString(content)
	if err != nil || len(bloom) != types.BloomByteLength {
		return r, errShape
	}
	return r, r.takeLogs(content)
}

// slimReceipt reads a receipt of the form of eth/69 (EIP-7642) and of .ere files.
func slimReceipt(item []byte) (r receipt, err error) {
	content, after, err := rlp.SplitList(item)
	if err != nil || len(after) != 0 {
		return r, errShape
	}
	typ, content, err := rlp.SplitUint64(content)
	if err != nil || typ > maxType {
		return r, errShape
	}
	r.typ = byte(typ)
	if content, err = r.statusAndGas(content); err != nil {
		return r, err
	}
	return r, r.takeLogs(content)
}

func (r *receipt) statusAndGas(content []byte) (rest []byte, err error) {
	r.status, rest, err = rlp.SplitString(content)
	if err != nil || len(r.status) > 1 && len(r.status) != common.HashLength {
		return nil, errShape
	}
	if r.gas, rest, err = rlp.SplitUint64(rest); err != nil {
		return nil, errShape
	}
	return rest, nil
}

func (r *receipt) takeLogs(content []byte) error {
	_, after, err := rlp.SplitList(content)
	if err != nil || len(after) != 0 {
		return errShape
	}
	r.logs = content
	return nil
}

// bloom returns the filter over the addresses and topics of the logs.
func (r *receipt) bloom() (b types.Bloom, err error) {
	var buf [6]byte
	err = eachItem(r.logs, func(log []byte) error {
		content, _, err := rlp.SplitList(log)
		if err != nil {
			return errShape
		}
		address, content, err := rlp.SplitString(content)
		if err != nil || len(address) != common.AddressLength {
			return errShape
		}
		_, data, err := rlp.SplitList(content)
		if err != nil {
			return errShape
		}
		if _, after, err := rlp.SplitString(data); err != nil || len(after) != 0 {
			return errShape
		}
		b.AddWithBuffer(address, &buf)
		return eachItem(content[:len(content)-len(data)], func(item []byte) error {
			topic, _, err := rlp.SplitString(item)
			if err != nil || len(topic) != common.HashLength {
				return errShape
			}
			b.AddWithBuffer(topic, &buf)
			return nil
		})
	})
	return b, err
}

// encodeSlim writes the receipt in the form of eth/69.
func (r *receipt) encodeSlim(w rlp.EncoderBuffer) {
	l := w.List()
	w.WriteUint64(uint64(r.typ))
	w.WriteBytes(r.status)
	w.WriteUint64(r.gas)
	w.Write(r.logs)
	w.ListEnd(l)
}

// encodeConsensus writes the receipt as the receipts root has it: for a typed one its type and
// a list, without a string around them.
func (r *receipt) encodeConsensus(out *bytes.Buffer) error {
	bloom, err := r.bloom()
	if err != nil {
		return err
	}
	if r.typ != 0 {
		out.WriteByte(r.typ)
	}
	w := rlp.NewEncoderBuffer(out)
	l := w.List()
	w.WriteBytes(r.status)
	w.WriteUint64(r.gas)
	w.WriteBytes(bloom[:])
	w.Write(r.logs)
	w.ListEnd(l)
	return w.Flush()
}

// SlimReceipts turns a block's receipts from consensus form into that of eth/69, which has each
// receipt's type and no bloom. An error says where they are malformed.
func SlimReceipts(consensus []byte) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, len(consensus)))
	w := rlp.NewEncoderBuffer(out)
	l := w.List()
	err := eachItem(consensus, func(item []byte) error {
		r, err := consensusReceipt(item)
		if err == nil {
			r.encodeSlim(w)
		}
		return err
	})
	w.ListEnd(l)
	if err = errors.Join(err, w.Flush()); err != nil {
		return nil, fmt.Errorf("receipts: %w", err)
	}
	return out.Bytes(), nil
}

// ConsensusReceipts turns a block's receipts from the form of eth/69 into that of eth/68, which
// has blooms: they are computed. An error says where the receipts are malformed.
func ConsensusReceipts(slim []byte) ([]byte, error) {
	var one bytes.Buffer
	out := bytes.NewBuffer(make([]byte, 0, 2*len(slim)))
	w := rlp.NewEncoderBuffer(out)
	l := w.List()
	err := eachItem(slim, func(item []byte) error {
		r, err := slimReceipt(item)
		if err != nil {
			return err
		}
		one.Reset()
		if err := r.encodeConsensus(&one); err != nil {
			return err
		}
		if r.typ == 0 {
			_, err = w.Write(one.Bytes())
		} else {
			w.WriteBytes(one.Bytes())
		}
		return err
	})
	w.ListEnd(l)
	if err = errors.Join(err, w.Flush()); err != nil {
		return nil, fmt.Errorf("receipts: %w", err)
	}
	return out.Bytes(), nil
}

// slimList is a block's receipts as the trie's hasher wants them.
type slimList struct{ rawList }

// EncodeIndex cannot fail: ReceiptsRoot has read each receipt before.
func (l slimList) EncodeIndex(i int, out *bytes.Buffer) {
	if r, err := slimReceipt(l.item(i)); err == nil {
		_ = r.encodeConsensus(out)
	}
}

// ReceiptsRoot computes the receipts root of a block's receipts, which have the form of eth/69.
func ReceiptsRoot(slim []byte) (common.Hash, error) {
	l, err := newRawList(slim, false, minReceipt)
	for i := 0; err == nil && i < l.Len(); i++ {
		var r receipt
		if r, err = slimReceipt(l.item(i)); err == nil {
			_, err = r.bloom()
		}
		if err != nil {
			err = fmt.Errorf("item %d: %w", i, err)
		}
	}
	if err != nil {
		return common.Hash{}, fmt.Errorf("receipts: %w", err)
	}
	return types.DeriveSha(slimList{l}, trie.NewStackTrie(nil)), nil
}

// ConsensusReceiptsRoot computes the receipts root of a block's receipts, which have the form of
// eth/68. The blooms are those that the receipts have.
func ConsensusReceiptsRoot(consensus []byte) (common.Hash, error) {
	root, err := rootOf(consensus, true, minReceipt)
	if err != nil {
		return root, fmt.Errorf("receipts: %w", err)
	}
	return root, nil
}

// SizeOfReceipts returns the number of receipts, which have the form of eth/69, and how many bytes
// their logs have. Each must have the form of a receipt; logs are not looked at.
func SizeOfReceipts(slim []byte) (count int, logs uint64, err error) {
	err = eachItem(slim, func(item []byte) error {
		r, err := slimReceipt(item)
		if err != nil {
			return err
		}
		content, _, err := rlp.SplitList(r.logs)
		count++
		logs += uint64(len(content))
		return err
	})
	if err != nil {
		err = fmt.Errorf("receipts: %w", err)
	}
	return count, logs, err
}
