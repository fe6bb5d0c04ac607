package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

func TestErrorsOfSystem(t *testing.T) {
	for _, number := range []error{syscall.EMFILE, syscall.EIO, syscall.ESTALE, syscall.ENOENT, syscall.EACCES} {
		if err := fmt.Errorf("x.ere: header: %w", &fs.PathError{Op: "read", Path: "x.ere", Err: number}); !ofSystem(err) {
			t.Errorf("%v counts as wrong in the file", number)
		}
		if !ofSystem(number) {
			t.Errorf("%v counts as wrong in the file", number)
		}
	}
	for _, err := range []error{nil, io.ErrUnexpectedEOF, errTooLarge, ErrUnknownFormat, chain.ErrNotRegular, chain.ErrAbsent, errors.New("index")} {
		if ofSystem(err) {
			t.Errorf("%v counts as an error of the system", err)
		}
	}
}

// TestPartsOfHeaders: each part goes with its own header, and with no other.
func TestPartsOfHeaders(t *testing.T) {
	lists, err := Open(ethtest.Chain(t, "chain.rlp"))
	if err != nil {
		t.Fatal(err)
	}
	defer lists.Close()
	receipts, err := Open("testdata/unknown-00000-9d78f735-noproofs.ere")
	if err != nil {
		t.Fatal(err)
	}
	defer receipts.Close()
	read := func(f *File, p chain.Part, n uint64) []byte {
		b, err := f.Read(p, n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	header := func(n uint64) *types.Header {
		h := new(types.Header)
		if err := rlp.DecodeBytes(read(lists, chain.Header, n), h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	for p, f := range map[chain.Part]*File{chain.Body: lists, chain.Receipts: receipts, chain.AccessList: lists} {
		b := read(f, p, 590)
		if err := checkPart(p, b, header(590)); err != nil {
			t.Errorf("%v: %v", p, err)
		}
		for _, n := range []uint64{1, 14} {
			if err := checkPart(p, b, header(n)); err == nil {
				t.Errorf("%v of block 590 goes with block %d", p, n)
			}
		}
		if err := checkPart(p, b[:len(b)-1], header(590)); err == nil {
			t.Errorf("%v goes with its header though it is cut", p)
		}
	}
}

// TestSlowOpening: while one file is opened, others are read, and each file is opened once.
func TestSlowOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := map[string]int{}
		slow := make(chan struct{})
		h := handles{}
		h.openFile = func(path string) (*File, error) {
			opened[path]++
			if strings.HasPrefix(path, "slow") {
				<-slow
			}
			if path == "slow and wrong" {
				return nil, ErrUnknownFormat
			}
			return &File{path: path, closer: io.NopCloser(nil)}, nil
		}
		results := make(chan error, 4)
		for _, path := range []string{"slow", "slow", "slow and wrong", "slow and wrong"} {
			go func() {
				one, err := h.take(path)
				if err == nil {
					h.give(one)
				}
				results <- err
			}()
			synctest.Wait()
		}
		one, err := h.take("fast")
		if err != nil || one.file.Path() != "fast" {
			t.Fatal(err)
		}
		h.give(one)
		close(slow)
		failed := 0
		for range 4 {
			if err := <-results; err != nil {
				failed++
			}
		}
		if failed != 2 || opened["slow"] != 1 || opened["slow and wrong"] != 1 || len(h.open) != 2 {
			t.Errorf("%d failed, opened %v, %d open", failed, opened, len(h.open))
		}
		h.close()
	})
}
