package bans

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	mu    sync.Mutex    // held while the file is written
	file  *datadir.File // nil: the bans are kept in memory only
	aside bool          // the file has text that must be put aside before it is overwritten
}

// write replaces the file with the list, in a format that the operator can read at any time,
// and edit while the node does not run.
func (s *store) write(list []Ban) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if s.aside {
		if _, err := putAside(s.file.Path); err != nil {
			return err
		}
		s.aside = false
	}
	return s.file.Write(append(text, '\n'))
}

// read reads the bans in a file. A missing file has none. wrong has one error for each part of the
// file that is no ban, and the bans are the others.
func read(file string) (list []Ban, wrong []error, err error) {
	text, err := datadir.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	list, wrong = parse(text)
	return list, wrong, nil
}

// parse parses the content of a file with bans.
func parse(text []byte) (list []Ban, wrong []error) {
	in := json.NewDecoder(bytes.NewReader(text))
	if begin, err := in.Token(); err != nil || begin != json.Delim('[') {
		return nil, []error{errors.New("want a JSON array of bans")}
	}
	for n := 1; in.More(); n++ {
		var entry json.RawMessage
		if err := in.Decode(&entry); err != nil {
			return list, append(wrong, fmt.Errorf("entry %d and all after it: %w", n, err)) // there is no way to find the next
		}
		b, err := parseBan(entry)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("entry %d: %w", n, err))
			continue
		}
		list = append(list, b)
	}
	if _, err := in.Token(); err != nil {
		return list, append(wrong, errors.New("the end of the array is missing"))
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		wrong = append(wrong, errors.New("there is more text after the array"))
	}
	return list, wrong
}

// parseBan parses one ban. One without an end is the operator's: the node's own always have one.
func parseBan(entry json.RawMessage) (b Ban, err error) {
	if err := json.Unmarshal(entry, &b); err != nil {
		return b, err
	}
	if err := b.Target.Check(); err != nil {
		return b, err
	}
	switch {
	case b.Until.IsZero():
		b.Automatic = false
	case !b.Since.Before(b.Until):
		return b, fmt.Errorf("ban %v: until is not after since", b.Target)
	}
	return b, nil
}

// unreadable returns the n-th name, from 1 on, under which a file with bans is put aside.
func unreadable(file string, n int) string {
	if n == 1 {
		return file + ".unreadable"
	}
	return fmt.Sprintf("%s.unreadable.%d", file, n)
}

// putAside gives a file another name, under which it stays when the file is replaced. It returns
// that name, and overwrites no file. It does nothing if the file has such a name.
func putAside(file string) (aside string, err error) {
	was, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // there is nothing to lose any more
	}
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		aside = unreadable(file, n)
		there, err := os.Lstat(aside)
		if err == nil && os.SameFile(was, there) {
			return aside, nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if os.Link(file, aside) == nil {
			return aside, nil
		}
		return aside, os.Rename(file, aside) // some file systems have no links
	}
}

// Restore reads the bans of an earlier run, and keeps the ledger's bans in the file from now on.
// What is no ban in the file is logged, and the file put aside, because the next ban would
// overwrite it and the operator may be able to repair it. The error is that of a path that leads to
// no regular file. An empty file name keeps nothing. Restore comes before all other methods.
func (l *Ledger) Restore(file string, log *slog.Logger) error {
	if file == "" {
		return nil
	}
	l.store.file = &datadir.File{Path: file, Content: "bans", Logger: log}
	list, wrong, err := read(file)
	if errors.Is(err, datadir.ErrNotRegular) {
		return fmt.Errorf("bans: %w", err)
	}
	l.restore(list)
	if err != nil {
		wrong = append(wrong, err)
	}
	if len(wrong) == 0 {
		return nil
	}
	aside, failed := putAside(file)
	l.store.aside = failed != nil
	for i, err := range wrong {
		if i == maxReported {
			log.Warn("more of the bans are wrong", "file", file, "count", len(wrong)-i)
			break
		}
		log.Warn("reading the bans failed", "file", file, "err", err)
	}
	if failed != nil {
		log.Warn("the file with the bans can't be put aside and will not be replaced until it can", "file", file, "err", failed)
		return nil
	}
	log.Warn("the file with the bans was put aside", "file", aside, "in_force", len(list))
	l.change() // so that the file has those that are in force, and is read without a warning next time
	return nil
}

// maxReported limits how many wrong entries of a file are logged.
const maxReported = 20

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
