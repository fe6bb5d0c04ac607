package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
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

// closing is a Closer.
type closing func()

func (c closing) Close() error {
	c()
	return nil
}

// TestSlowOpening: while one file is opened, others are read, and each file is opened once.
func TestSlowOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, closed := map[string]int{}, 0
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
			return &File{path: path, closer: closing(func() { closed++ })}, nil
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
		h.forget("fast")
		if closed != 0 {
			t.Error("a file is closed while it is read")
		}
		h.give(one)
		close(slow)
		failed := 0
		for range 4 {
			if err := <-results; err != nil {
				failed++
			}
		}
		if failed != 2 || opened["slow"] != 1 || opened["slow and wrong"] != 1 || len(h.open) != 1 || closed != 1 {
			t.Errorf("%d failed, opened %v, %d open, %d closed", failed, opened, len(h.open), closed)
		}
		h.forget("slow")
		h.close()
		if closed != 2 {
			t.Errorf("%d of 2 files closed", closed)
		}
	})
}

// TestNamesOfNetworks: a file of a known network is left out by its name on another one.
func TestNamesOfNetworks(t *testing.T) {
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"sepolia-00021-b8814b14.era1", false},
		{"dir/holesky-00000-643a00f7-noproofs.ere", false},
		{"mainnet-01234-b8814b14.era1", true},
		{"unknown-00000-9d78f735.ere", true},
		{"sepolia.era1", true},
		{"sepolia-copy.era1", true},
		{"sepolia-00021.rlp", true},
	} {
		if err := checkName(c.name, params.MainnetGenesisHash); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		} else if err != nil && !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s is not named: %v", c.name, err)
		}
	}
}

// TestReservedMemory: the index has room for what the files have, not for what they could have.
func TestReservedMemory(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ere, err := os.ReadFile("testdata/unknown-00000-9d78f735-noproofs.ere")
	if err != nil {
		t.Fatal(err)
	}
	small := write("small.ere", ethtest.FirstOfEre(ere, 10))
	hostile := write("hostile.ere", bytes.Repeat([]byte{0xff}, 320))
	if got := expectedBlocks([]string{small, hostile, write("empty.ere", nil), write("chain.rlp", ere), ethtest.Samples(t)[0], dir + "/missing.ere"}); got != 10+10+8192 {
		t.Errorf("%d blocks expected, want %d", got, 10+10+8192)
	}
	a, err := NewArchive(ArchiveConfig{Paths: []string{small}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Index(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	if got := cap(a.index.prefixes); got > 20 {
		t.Errorf("room for %d blocks, of which the file has 10", got)
	}
}
