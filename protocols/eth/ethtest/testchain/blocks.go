// Package testchain has the blocks of go-ethereum's test chain in memory, for tests of eth.
package testchain

import (
	"errors"
	"go/build"
	"path/filepath"
	"sync"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// ReceiptsFile returns the path of an .ere file with the test chain's blocks 0 to 600, with their
// receipts.
func ReceiptsFile(t testing.TB) string {
	t.Helper()
	p, err := build.Import("github.com/troupe-p2p/troupe/protocols/eth/history", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(p.Dir, "testdata", "unknown-00000-9d78f735-noproofs.ere")
}

// Block is a block of the test chain, as RLP. It is shared by all tests of a process and must not be
// changed.
type Block struct {
	Header, Body, Receipts []byte
	AccessList             []byte // nil: none
}

var blocks struct {
	sync.Mutex
	list []Block
}

// Blocks returns the test chain's blocks 0 to 600.
func Blocks(t testing.TB) []Block {
	t.Helper()
	blocks.Lock()
	defer blocks.Unlock()
	if blocks.list == nil {
		list, err := readBlocks(ReceiptsFile(t), ethtest.Chain(t, "chain.rlp"))
		if err != nil {
			t.Fatal(err)
		}
		blocks.list = list
	}
	return blocks.list
}

// readBlocks reads blocks with receipts from one file, and their access lists from another.
func readBlocks(path, lists string) (all []Block, err error) {
	f, err := history.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	withLists, err := history.Open(lists)
	if err != nil {
		return nil, err
	}
	defer withLists.Close()
	first, count := f.Span()
	for n := first; n < first+count; n++ {
		var b Block
		for part, to := range map[chain.Part]*[]byte{chain.Header: &b.Header, chain.Body: &b.Body, chain.Receipts: &b.Receipts} {
			if *to, err = f.Read(part, n); err != nil {
				return nil, err
			}
		}
		from, number := withLists.Span()
		if n >= from && n < from+number {
			b.AccessList, err = withLists.Read(chain.AccessList, n)
			if err != nil && !errors.Is(err, chain.ErrAbsent) {
				return nil, err
			}
		}
		all = append(all, b)
	}
	return all, nil
}
