package backfill

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// A journal is a file to which verified parts of an epoch's blocks are appended. It begins with
// journalMagic and the epoch. A record has a checksum (CRC-32C) of all that follows, the part, the
// number and the hash of its block, the length of the content, and the content, compressed by snappy.
const (
	journalMagic = "troupe-sync-1\n\x00\x00"
	journalHead  = len(journalMagic) + 8
	recordHead   = 4 + 1 + 8 + common.HashLength + 4
	// maxContent is the size of a record's content in bytes, before and after compression.
	maxContent = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parts are the parts of a block that a journal has.
const parts = int(chain.Receipts) + 1

// record is where a part is in the file.
type record struct {
	offset int64 // of the record; 0 if there is none
	length uint32
}

// slot is what a journal has of one block.
type slot struct {
	hash    common.Hash
	parent  common.Hash
	merged  bool // its difficulty is zero
	records [parts]record
}

// journal is an opened journal.
type journal struct {
	path  string
	f     *os.File
	size  int64
	epoch uint64
	slots []slot // by number, from the epoch's first
}

// Cut is a journal whose end was not what was written to it. It was cut there.
type Cut struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"` // the new size
	Lost   int64  `json:"lost"`   // bytes
	Why    string `json:"why"`
}

// openJournal opens an epoch's journal, or makes one. cut is not nil if its end was wrong.
func openJournal(path string, epoch uint64) (j *journal, cut *Cut, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	j = &journal{path: path, f: f, epoch: epoch, slots: make([]slot, history.EpochSize)}
	if cut, err = j.load(); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return j, cut, nil
}

func (j *journal) close() error { return j.f.Close() }

// load reads all records, up to one that is wrong.
func (j *journal) load() (*Cut, error) {
	info, err := j.f.Stat()
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(j.f, 1<<20)
	var wrong error
	if info.Size() > 0 {
		wrong = j.readHead(in)
	}
	for wrong == nil && j.size < info.Size() {
		wrong = j.readRecord(in, info.Size()-j.size)
	}
	var unread *fs.PathError
	if errors.As(wrong, &unread) {
		return nil, wrong // the file may be right
	}
	var cut *Cut
	if wrong != nil {
		cut = &Cut{Path: j.path, Offset: j.size, Lost: info.Size() - j.size, Why: wrong.Error()}
		if err := j.f.Truncate(j.size); err != nil {
			return nil, err
		}
	}
	if j.size > 0 {
		return cut, nil
	}
	head := binary.BigEndian.AppendUint64([]byte(journalMagic), j.epoch)
	_, err = j.f.WriteAt(head, 0)
	j.size = int64(journalHead)
	return cut, err
}

func (j *journal) readHead(in io.Reader) error {
	head := make([]byte, journalHead)
	if _, err := io.ReadFull(in, head); err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	if string(head[:len(journalMagic)]) != journalMagic || binary.BigEndian.Uint64(head[len(journalMagic):]) != j.epoch {
		return fmt.Errorf("it does not begin as a journal of epoch %d", j.epoch)
	}
	j.size = int64(journalHead)
	return nil
}

// readRecord reads the record at size, of which the file has left bytes.
func (j *journal) readRecord(in io.Reader, left int64) error {
	var head [recordHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return fmt.Errorf("record at %d: %w", j.size, err)
	}
	length := binary.BigEndian.Uint32(head[recordHead-4:])
	if int64(length) > left-recordHead || length > maxContent {
		return fmt.Errorf("record at %d: %d bytes, of which the file has %d", j.size, length, left-recordHead)
	}
	whole := make([]byte, recordHead+int(length))
	copy(whole, head[:])
	if _, err := io.ReadFull(in, whole[recordHead:]); err != nil {
		return fmt.Errorf("record at %d: %w", j.size, err)
	}
	p, number, hash, content, err := parseRecord(whole)
	if err == nil {
		err = j.enter(p, number, hash, content, length)
	}
	if err != nil {
		return fmt.Errorf("record at %d: %w", j.size, err)
	}
	return nil
}

var errChecksum = errors.New("wrong checksum")

// parseRecord returns what a record says, and its content, decompressed.
func parseRecord(b []byte) (p chain.Part, number uint64, hash common.Hash, content []byte, err error) {
	if len(b) < recordHead || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return p, 0, hash, nil, errChecksum
	}
	p, number, hash = chain.Part(b[4]), binary.BigEndian.Uint64(b[5:]), common.Hash(b[13:45])
	n, err := snappy.DecodedLen(b[recordHead:])
	if err == nil && n > maxContent {
		err = fmt.Errorf("%d bytes decompressed, more than %d", n, maxContent)
	}
	if err == nil {
		content, err = snappy.Decode(nil, b[recordHead:])
	}
	return p, number, hash, content, err
}

// enter notes the record at size. A header must be that of its hash. Other parts must belong to the
// header that was noted before; those of a header that another has replaced are left alone.
func (j *journal) enter(p chain.Part, number uint64, hash common.Hash, content []byte, length uint32) error {
	at := number - j.epoch*history.EpochSize
	if int(p) >= parts || at >= history.EpochSize {
		return fmt.Errorf("part %d of block %d in the journal of epoch %d", p, number, j.epoch)
	}
	s := &j.slots[at]
	if p == chain.Header {
		var h types.Header
		if crypto.Keccak256Hash(content) != hash || rlp.DecodeBytes(content, &h) != nil || !h.Number.IsUint64() || h.Number.Uint64() != number {
			return fmt.Errorf("not the header of block %d with hash %v", number, hash)
		}
		if s.hash != hash {
			*s = slot{hash: hash, parent: h.ParentHash, merged: h.Difficulty.Sign() == 0}
		}
	}
	if s.hash == hash {
		s.records[p] = record{offset: j.size, length: length}
	}
	j.size += recordHead + int64(length)
	return nil
}

// slot returns what the journal has of a block of its epoch.
func (j *journal) slot(number uint64) *slot { return &j.slots[number-j.epoch*history.EpochSize] }

// add appends a part of a block. After an error nothing is added.
func (j *journal) add(p chain.Part, number uint64, hash common.Hash, content []byte) error {
	packed := snappy.Encode(nil, content)
	b := make([]byte, 4, recordHead+len(packed))
	b = append(b, byte(p))
	b = binary.BigEndian.AppendUint64(b, number)
	b = append(b, hash[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(packed)))
	b = append(b, packed...)
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	if _, err := j.f.WriteAt(b, j.size); err != nil {
		return err
	}
	return j.enter(p, number, hash, content, uint32(len(packed)))
}

// read returns a part of a block.
func (j *journal) read(p chain.Part, number uint64) ([]byte, error) {
	s := j.slot(number)
	r := s.records[p]
	if r.offset == 0 {
		return nil, fmt.Errorf("%s: %s of block %d: %w", j.path, p, number, chain.ErrAbsent)
	}
	b := make([]byte, recordHead+int(r.length))
	if _, err := j.f.ReadAt(b, r.offset); err != nil {
		return nil, fmt.Errorf("%s: record at %d: %w", j.path, r.offset, err)
	}
	q, n, hash, content, err := parseRecord(b)
	if err == nil && (q != p || n != number || hash != s.hash) {
		err = fmt.Errorf("%s of block %d, want %s of block %d", q, n, p, number)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: record at %d: %w", j.path, r.offset, err)
	}
	return content, nil
}

// header returns the header of a block.
func (j *journal) header(number uint64) (*types.Header, error) {
	b, err := j.read(chain.Header, number)
	if err != nil {
		return nil, err
	}
	h := new(types.Header)
	return h, rlp.DecodeBytes(b, h)
}
