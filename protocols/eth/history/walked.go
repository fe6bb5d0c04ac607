package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// walked is what an Archive needs to know of a file's blocks, and costs a reading of all headers:
// how they are linked to those of other files, and the beginnings of their hashes.
type walked struct {
	first    uint64
	parent   common.Hash // of the first block
	last     chain.Block
	prefixes []uint64
}

func walk(f *File) (*walked, error) {
	first, count := f.Span()
	w := &walked{first: first, prefixes: make([]uint64, 0, count)}
	err := f.Walk(func(hash common.Hash, h *types.Header) error {
		if len(w.prefixes) == 0 {
			w.parent = h.ParentHash
		}
		w.last = chain.Block{Number: h.Number.Uint64(), Hash: hash, Time: h.Time}
		w.prefixes = append(w.prefixes, prefixOf(hash))
		return nil
	})
	return w, err
}

// cache keeps what was walked in a directory, so that the next start need not read all headers.
// A file counts as the same as long as path, size and time of change are the same.
type cache struct{ dir string }

var errStale = errors.New("written for another file")

// cacheMagic begins each file of the cache. Its last letter is the version of the form.
const cacheMagic = "troupe1b"

// name returns the file in the cache for the file at path, and the hash of that path.
func (c cache) name(path string) (name string, sum common.Hash, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return "", sum, err
	}
	sum = sha256.Sum256([]byte(path))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:8])+".index"), sum, nil
}

// remove forgets the file at path, which need not exist.
func (c cache) remove(path string) error {
	name, _, err := c.name(path)
	if err != nil {
		return err
	}
	return os.Remove(name)
}

// key returns the file in the cache for the file at path, and the bytes that begin it.
func (c cache) key(path string) (name string, head []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	name, sum, err := c.name(path)
	if err != nil {
		return "", nil, err
	}
	head = append([]byte(cacheMagic), sum[:]...)
	head = binary.BigEndian.AppendUint64(head, uint64(info.Size()))
	head = binary.BigEndian.AppendUint64(head, uint64(info.ModTime().UnixNano()))
	return name, head, nil
}

// load returns what is known of the file at path, or an error if it has to be walked.
func (c cache) load(path string) (*walked, error) {
	name, head, err := c.key(path)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	n := len(b) - sha256.Size
	if n < len(head)+8+2*common.HashLength+8 || (n-len(head))%8 != 0 || !bytes.HasPrefix(b, head) {
		return nil, errStale
	}
	if sum := sha256.Sum256(b[:n]); !bytes.Equal(sum[:], b[n:]) {
		return nil, errStale
	}
	b = b[len(head):n]
	w := &walked{first: binary.BigEndian.Uint64(b), parent: common.Hash(b[8:40])}
	w.last = chain.Block{Hash: common.Hash(b[40:72]), Time: binary.BigEndian.Uint64(b[72:])}
	for b = b[80:]; len(b) > 0; b = b[8:] {
		w.prefixes = append(w.prefixes, binary.BigEndian.Uint64(b))
	}
	w.last.Number = w.first + uint64(len(w.prefixes)) - 1
	return w, nil
}

// save keeps what is known of the file at path. A file that is cut off by a crash is not loaded.
func (c cache) save(path string, w *walked) error {
	name, b, err := c.key(path)
	if err != nil {
		return err
	}
	b = binary.BigEndian.AppendUint64(b, w.first)
	b = append(b, w.parent[:]...)
	b = append(b, w.last.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, w.last.Time)
	for _, prefix := range w.prefixes {
		b = binary.BigEndian.AppendUint64(b, prefix)
	}
	sum := sha256.Sum256(b)
	return os.WriteFile(name, append(b, sum[:]...), 0o600)
}
