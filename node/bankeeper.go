package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node/datadir"
)

// bansFile is where a data directory has the bans: a list of [Ban], for people to read
// while the node runs and to edit while it doesn't.
const bansFile = "bans.json"

// banKeeper writes the bans to their file whenever they have changed, and a last time
// when the node stops. Writing is its only work, so it may take its time.
type banKeeper struct {
	n    *Node
	file string
}

func (n *Node) bansProps() *actor.Props {
	k := &banKeeper{n: n}
	if n.cfg.DataDir != "" {
		k.file = filepath.Join(n.cfg.DataDir, bansFile)
	}
	return n.rt.Props(func() actor.Actor { return k })
}

func (k *banKeeper) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started, *bansChanged, *actor.Stopping:
		k.save()
	}
}

func (k *banKeeper) save() {
	if k.file == "" {
		return
	}
	list, changes, changed := k.n.conduct.unsaved(k.n.bansSaved, k.n.rt.Clock.Now())
	if !changed {
		return
	}
	if err := writeBans(k.file, list); err != nil {
		// What isn't saved is tried again with the next change, and at the end.
		k.n.log.Warn("bans not saved", "err", err)
		return
	}
	k.n.bansSaved = changes
}

func writeBans(file string, list []Ban) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return datadir.Write(file, append(text, '\n'))
}

// readBans reads what writeBans wrote; no file is no bans.
func readBans(file string) ([]Ban, error) {
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
		if err := b.Target.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return list, nil
}

// restoreBans reads the bans of an earlier run. A file that makes no sense is put aside,
// where the operator can mend it: the next ban would overwrite it.
func (n *Node) restoreBans(now time.Time) error {
	if n.cfg.DataDir == "" {
		return nil
	}
	file := filepath.Join(n.cfg.DataDir, bansFile)
	list, err := readBans(file)
	if err != nil {
		aside := file + ".unreadable"
		if moved := os.Rename(file, aside); moved != nil {
			return fmt.Errorf("bans: %w", errors.Join(err, moved))
		}
		n.log.Warn("bans not read, file put aside", "err", err, "file", aside)
		return nil
	}
	n.conduct.restore(list, now)
	return nil
}
