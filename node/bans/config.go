package bans

import (
	"path/filepath"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// fileName is the name of the file with the bans in a data directory.
const fileName = "bans.json"

// File returns the path of the file in which a node with this data directory keeps its bans.
// It is empty without a directory.
func File(dataDir string) string {
	if dataDir == "" {
		return ""
	}
	return filepath.Join(dataDir, fileName)
}

// Config is the configuration of the actor.
type Config struct {
	Runtime supervise.Runtime
	Ledger  *Ledger
}

// Props makes the actor. It writes the ledger's bans to their file when it starts, after each
// *[Changed], and when it stops.
func Props(c Config) *actor.Props {
	return c.Runtime.Props(func() actor.Actor { return &writer{Config: c} })
}
