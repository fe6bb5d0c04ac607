package bans

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/troupe-p2p/troupe/node/datadir"
)

// ErrNotKept is the error of a change that the data directory does not have. The node obeys it
// until it stops.
var ErrNotKept = errors.New("the data directory does not have the change")

var errClosed = errors.New("the node was stopped")

// store is the file with the bans. The zero value keeps nothing.
type store struct {
	mu   sync.Mutex    // held while the file is written
	file *datadir.File // nil: the bans are kept in memory only
}

// write replaces the file with the list, in a format that the operator can read at any time,
// and edit while the node does not run.
func (s *store) write(list []Ban) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return s.file.Write(append(text, '\n'))
}

// read reads the list that write wrote. A missing file is an empty list.
func read(file string) ([]Ban, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Ban
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, b := range list {
		if err := b.Target.Check(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return list, nil
}

// Restore reads the bans of an earlier run, and keeps the ledger's bans in the file from now on.
// It renames a file that it can't read, because the next ban would overwrite it and the operator
// may be able to repair it. It returns an error if the renaming failed in a directory that can be
// written. An empty file name keeps nothing. Restore comes before all other methods.
func (l *Ledger) Restore(file string, log *slog.Logger) error {
	if file == "" {
		return nil
	}
	l.store.file = &datadir.File{Path: file, Content: "bans", Logger: log}
	list, err := read(file)
	if err != nil {
		aside := file + ".unreadable"
		switch failed := os.Rename(file, aside); {
		case failed == nil:
			log.Warn("reading the bans failed, file renamed", "err", err, "file", aside)
		case datadir.Unwritable(failed):
			log.Warn("reading the bans failed", "err", err)
		default:
			return fmt.Errorf("bans: %w", errors.Join(err, failed))
		}
		return nil
	}
	l.restore(list)
	return nil
}

// try logs a failure if the file can't be written now.
func (l *Ledger) try() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.store.file != nil {
		l.store.file.Try()
	}
}

// Save writes the bans to the file if they have changed since the last attempt. again says to
// write also if that attempt failed. Save returns false if the file does not have the bans. The
// actor calls it, and Node's methods before there is an actor.
func (l *Ledger) Save(again bool) bool {
	if l.store.file == nil {
		return true
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	list, changes, due := l.unsaved(again)
	if due {
		l.wrote(changes, l.store.write(list))
	}
	return l.isSaved()
}

// Close ends the writing. The file belongs to another node from now on.
func (l *Ledger) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.answer(l.changes, errClosed)
}
