package window_test

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

// remembered is files of which all is in memory.
type remembered struct{ below }

func (r remembered) RecallNumber(hash common.Hash) (uint64, bool) { return r.Number(hash) }

func (r remembered) Recall(p chain.Part, n uint64) ([]byte, bool) {
	b, err := r.Read(p, n)
	return b, err == nil
}

// TestRecall: where all is in memory, what is recalled is what is read, also where the window is on
// another branch than the files. Without the memory of files, the window's own is recalled.
func TestRecall(t *testing.T) {
	parts := []chain.Part{chain.Header, chain.Body, chain.Receipts}
	for name, below := range map[string]window.Below{"files in memory": remembered{below{t, 50}}, "files": below{t, 50}, "no files": nil} {
		w := window.New(window.Config{Below: below})
		_, all := below.(remembered)
		check := func() {
			t.Helper()
			for n := range uint64(60) {
				hash := headers(t, n, n)[0].Hash
				want, ok := w.Number(hash)
				if got, found := w.RecallNumber(hash); found != ok && (all || found) || found && got != want {
					t.Errorf("%s: number of block %d: %d, %v, want %d, %v", name, n, got, found, want, ok)
				}
				for _, p := range parts {
					want, err := w.Read(p, n)
					if got, found := w.Recall(p, n); found != (err == nil) && (all || found) || found && !bytes.Equal(got, want) {
						t.Errorf("%s: %v of block %d: %d bytes, %v, want %d, %v", name, p, n, len(got), found, len(want), err)
					}
				}
			}
		}
		check()
		w.SetHead(headers(t, 45, 55))
		for _, h := range headers(t, 48, 52) {
			w.Put(part(t, chain.Body, h))
			if _, ok := w.Recall(chain.Body, h.Number); !ok {
				t.Errorf("%s: the body of block %d is not recalled", name, h.Number)
			}
		}
		check()
		w.SetHead(fork(t, 46, 56))
		check()
		w.SetHead(headers(t, 30, 40)) // files have more
		check()
	}
}
