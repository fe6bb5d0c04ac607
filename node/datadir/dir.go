package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockFile is the name of the file by whose lock a process keeps others from the directory. The
// name is that of go-ethereum. The file itself stays: only its lock counts.
const lockFile = "LOCK"

// ErrInUse is the error for a data directory that another node uses.
var ErrInUse = errors.New("another node uses the data directory")

// Dir is a data directory that this process has locked.
type Dir struct{ lock *flock.Flock } // nil: not locked

// holder is the content of the lock file.
type holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// Open makes a data directory unless it exists, locks it, and removes the temporary files that a
// killed process has left. If another node has it, the error is [ErrInUse], and says which
// process that is. A directory that can't be written, or whose file system has no locks, is not
// locked, which is logged. With an
// empty name Open does nothing. The caller closes the result.
func Open(dir string, log *slog.Logger) (*Dir, error) {
	d := &Dir{}
	if dir == "" {
		return d, nil
	}
	err := Make(dir)
	if err == nil {
		err = d.take(filepath.Join(dir, lockFile), log)
	}
	switch {
	case errors.Is(err, ErrInUse):
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	case err != nil && !lockless(err):
		return nil, err
	case err != nil:
		log.Warn("data directory not locked: another node could use it too", "err", err)
		return d, nil
	}
	if err := removeTemps(dir); err != nil {
		log.Warn("removing temporary files failed", "err", err)
	}
	return d, nil
}

// lockless reports whether an error of a lock says that the directory can't have one.
func lockless(err error) bool {
	return Unwritable(err) || errors.Is(err, errors.ErrUnsupported) || noLocks(err)
}

func (d *Dir) take(file string, log *slog.Logger) error {
	lock := flock.New(file, flock.SetFlag(os.O_CREATE|os.O_RDWR))
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if !ok {
		return inUse(file)
	}
	d.lock = lock
	text, err := json.Marshal(holder{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)})
	if err == nil {
		// Not as a temporary file: the lock is that of this file.
		err = os.WriteFile(file, append(text, '\n'), 0o600)
	}
	if err != nil {
		log.Debug("writing the holder of the lock failed", "err", err)
	}
	return nil
}

// inUse returns an error that says which process has the lock, if the file says so.
func inUse(file string) error {
	var h holder
	text, err := Read(file)
	if err != nil || json.Unmarshal(text, &h) != nil || h.PID == 0 {
		return ErrInUse
	}
	return fmt.Errorf("%w: process %d, since %s", ErrInUse, h.PID, h.Since.Local().Format(time.DateTime))
}

// Close unlocks the directory. It may be called again.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Unlock()
}
