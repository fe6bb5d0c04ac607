package bans

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/troupe-p2p/troupe/node/datadir"
)

// write replaces the file with the list, in a format that the operator can read at any time,
// and edit while the node does not run.
func write(file string, list []Ban) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return datadir.Write(file, append(text, '\n'))
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

// Restore reads the bans of an earlier run into the ledger. It renames a file that it can't
// read, because the next ban would overwrite it and the operator may be able to repair it. It
// returns an error if the renaming failed. An empty file name restores nothing.
func Restore(file string, l *Ledger, log *slog.Logger) error {
	if file == "" {
		return nil
	}
	list, err := read(file)
	if err != nil {
		aside := file + ".unreadable"
		if failed := os.Rename(file, aside); failed != nil {
			return fmt.Errorf("bans: %w", errors.Join(err, failed))
		}
		log.Warn("reading the bans failed, file renamed", "err", err, "file", aside)
		return nil
	}
	l.restore(list)
	return nil
}
