package backfill

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/gofrs/flock"

	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// Config says what to download.
type Config struct {
	// Dir is the directory of the files. It is made unless it exists. One Sync uses it at a time.
	Dir string
	// Network is the name of the network in the names of the files; see history.NetworkName.
	Network string
	// Genesis is block 0 of the chain.
	Genesis *types.Block
	// Target is the hash of the last block.
	Target common.Hash
	// From is the number of the first block. It is rounded down to the first of its epoch.
	From uint64
	// HeadersOnly ends the download when all headers are in the journals. A later one without it goes
	// on from there.
	HeadersOnly bool
	Log         *slog.Logger
}

// Errors that end a download. They are wrapped in one that names the block, and what to do.
var (
	// ErrInUse says that another Sync uses the directory.
	ErrInUse = errors.New("another download uses the directory")
	// ErrOtherChain says that a file, or the genesis block, is not of the chain of the target.
	ErrOtherChain = errors.New("not of the chain of the target")
	// ErrBeforeMerge says that files of blocks before the Merge cannot be written, because their total
	// difficulty is not known.
	ErrBeforeMerge = errors.New("the files of blocks before the Merge have total difficulties, which are sums from the genesis block on")
)

const (
	// ahead is how many epochs after the Merge may have all headers and wait for other parts. Each
	// costs some 5 MB of the disk.
	ahead = 2
	// atWork is for how many epochs bodies and receipts are asked at the same time, so that the last
	// answers of one do not hold up the next. The disk needs room for so many epochs twice.
	atWork = 2
	// maxReorg is how many blocks at the end of a file a reorganisation may replace. Two epochs of the
	// beacon chain, after which blocks are final, have 64.
	maxReorg = 128
	// maxJournals is how many journals are open at a time. Each costs 640 KiB of memory.
	maxJournals = 6
)

// Sync is one download. Its methods may be called from any goroutine. They use the disk, or wait for a
// method that does, so that no actor should call them.
type Sync struct {
	cfg     Config
	floor   uint64 // the first block
	lock    *flock.Flock
	writing sync.Mutex // Write runs once at a time

	mu       sync.Mutex
	failed   error // ends the download
	sums     history.Sums
	unsummed bool   // checksums.txt may lack what sums has
	files    []file // with receipts, by their first blocks
	journals map[uint64]*openedJournal
	clock    uint64
	cuts     []Cut
	cursor   cursor
	epochs   map[uint64]*epoch // whose files are to be written
	reorged  map[string]uint64 // epochs by paths of files that a reorganisation has made wrong at their ends
	written  int               // epochs
	closed   bool
}

type openedJournal struct {
	*journal
	used uint64
}

// file is a history file of the directory.
type file struct {
	path            string
	first, last     uint64
	hash            common.Hash // of the last block
	totalDifficulty bool
}

func (f *file) contains(n uint64) bool { return n >= f.first && n <= f.last }

// Status is what a Sync has done.
type Status struct {
	// Target is the number of the target; Known is false until its header is there.
	Target uint64 `json:"target"`
	Known  bool   `json:"known"`
	// Next is the number of the block whose header is next, and Headers says that there is none.
	Next    uint64 `json:"next"`
	Headers bool   `json:"headers"`
	// Missing is the number of bodies and receipts missing in the epochs at work.
	Missing int `json:"missing"`
	// Waiting is the number of epochs that have all headers and are not written; Written of those
	// that this Sync has written.
	Waiting int `json:"waiting"`
	Written int `json:"written"`
	// Ready says that Write has something to write.
	Ready bool  `json:"ready"`
	Cuts  []Cut `json:"cuts,omitempty"`
	Done  bool  `json:"done"`
}

// Open begins a download, or goes on with one. It reads the ends of all files, and the journals, as far
// as they are of use. The caller closes the result.
func Open(cfg Config) (*Sync, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sync{
		cfg: cfg, floor: cfg.From - cfg.From%history.EpochSize,
		journals: map[uint64]*openedJournal{}, epochs: map[uint64]*epoch{}, reorged: map[string]uint64{},
	}
	s.cursor = cursor{want: cfg.Target}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sync) journalDir() string { return filepath.Join(s.cfg.Dir, history.JournalDir) }

func (s *Sync) open() error {
	if err := os.MkdirAll(s.journalDir(), 0o755); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(s.journalDir(), "LOCK"))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("lock %s: %w", s.cfg.Dir, err)
	case !ok:
		return fmt.Errorf("%s: %w", s.cfg.Dir, ErrInUse)
	}
	s.lock = lock
	if err := history.RemoveTemps(s.cfg.Dir); err != nil {
		return err
	}
	if err := s.readSums(); err != nil {
		return err
	}
	if err := s.readFiles(); err != nil {
		return err
	}
	if err := s.removeReplaced(); err != nil {
		return err
	}
	if err := s.findTarget(); err != nil {
		return err
	}
	return s.walk()
}

// readFiles finds the files that need not be downloaded again.
func (s *Sync) readFiles() error {
	r, err := history.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, l := range r.LeftOut {
		s.cfg.Log.Warn("a history file cannot be used; its blocks are downloaded again", "file", l.Path, "err", l.Why)
	}
	for i := range r.Files {
		f := &r.Files[i]
		if !f.Receipts {
			s.cfg.Log.Warn("a history file has no receipts; its blocks are downloaded again", "file", f.Path)
			continue
		}
		s.addFile(file{path: f.Path, first: f.First, last: f.LastNumber(), hash: f.Last, totalDifficulty: f.TotalDifficulty})
	}
	return nil
}

func (s *Sync) addFile(f file) {
	s.files = slices.DeleteFunc(s.files, func(o file) bool { return o.path == f.path })
	at, _ := slices.BinarySearchFunc(s.files, f, func(a, b file) int { return cmp.Compare(a.first, b.first) })
	s.files = slices.Insert(s.files, at, f)
}

// fileWith returns the file that has block n, and of several the one that begins first. No file has
// more blocks than an epoch.
func (s *Sync) fileWith(n uint64) (found *file) {
	i := sort.Search(len(s.files), func(i int) bool { return s.files[i].first > n })
	for i--; i >= 0 && n-s.files[i].first < history.EpochSize; i-- {
		if s.files[i].contains(n) {
			found = &s.files[i]
		}
	}
	return found
}

// journal returns the journal of an epoch, opened.
func (s *Sync) journal(e uint64) (*journal, error) {
	s.clock++
	if j, ok := s.journals[e]; ok {
		j.used = s.clock
		return j.journal, nil
	}
	if err := s.evictJournal(); err != nil {
		return nil, err
	}
	j, cut, err := openJournal(s.journalPath(e), e)
	if err != nil {
		return nil, err
	}
	if cut != nil {
		s.cuts = append(s.cuts, *cut)
		s.cfg.Log.Warn("a journal was not whole; it was cut, and what it lacks is downloaded again",
			"journal", cut.Path, "at", cut.Offset, "lost", cut.Lost, "err", cut.Why)
	}
	s.journals[e] = &openedJournal{journal: j, used: s.clock}
	return j, nil
}

func (s *Sync) journalPath(e uint64) string {
	return filepath.Join(s.journalDir(), fmt.Sprintf("%05d.journal", e))
}

// evictJournal closes the journal that was not used for the longest time, if there are too many.
// Those of epochs at work stay.
func (s *Sync) evictJournal() error {
	if len(s.journals) < maxJournals {
		return nil
	}
	oldest, at := uint64(0), uint64(0)
	for e, j := range s.journals {
		if ep := s.epochs[e]; ep != nil && ep.work != nil {
			continue
		}
		if at == 0 || j.used < at {
			oldest, at = e, j.used
		}
	}
	if at == 0 {
		return nil
	}
	j := s.journals[oldest]
	delete(s.journals, oldest)
	return j.close()
}

// Status returns what the Sync has done.
func (s *Sync) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Target: s.cursor.target, Known: s.cursor.known, Next: s.cursor.number, Headers: s.cursor.done,
		Written: s.written, Cuts: slices.Clone(s.cuts), Done: s.done(), Ready: s.ready() != nil || s.unsummed,
	}
	for _, ep := range s.epochs {
		if ep.whole {
			st.Waiting++
		}
		if ep.work != nil {
			st.Missing += ep.work.missing
		}
	}
	return st
}

func (s *Sync) done() bool {
	return s.cursor.done && (s.cfg.HeadersOnly || len(s.epochs) == 0) && !s.unsummed && s.failed == nil
}

// Close ends the download. If it is done, the journals are removed. Write must have returned.
func (s *Sync) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	done := s.done()
	if s.failed == nil {
		s.failed = errClosed
	}
	var err error
	for _, j := range s.journals {
		err = errors.Join(err, j.close())
	}
	if s.lock == nil {
		return err
	}
	if done && !s.cfg.HeadersOnly {
		err = errors.Join(err, os.RemoveAll(s.journalDir()))
	}
	return errors.Join(err, s.lock.Unlock())
}

// fail notes an error that ends the download.
func (s *Sync) fail(err error) error {
	if s.failed == nil {
		s.failed = err
	}
	return s.failed
}
