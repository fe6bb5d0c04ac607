package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/punch"
)

// natFile is the file of a data directory in which a running node says how it is
// reached. A node that stops in order removes it, so where one is found and no node runs, what it
// lists may be left behind in a router.
const natFile = "nat.json"

// NATStatus is what a node says of how it is reached, in nat.json and to admin_nat.
type NATStatus struct {
	Written time.Time `json:"written"` // or said
	// Status is about the router; zero where the node leaves routers alone, or has nothing to
	// say yet.
	Status nat.Status `json:"status,omitzero"`
	// HolePunching is nil where the node takes no part in it.
	HolePunching *punch.State `json:"hole_punching,omitempty"`
}

// reachedNow says how the node is reached; desk is nil where it takes no part in hole punching.
func (n *Node) reachedNow(desk *punch.Service) (s NATStatus) {
	s.Status, _ = n.NAT()
	if desk != nil {
		state := desk.State()
		if state.Relays == nil {
			state.Relays = []enode.ID{} // an empty list in JSON
		}
		s.HolePunching = &state
	}
	return s
}

// ReadNATStatus reads what the node with this data directory wrote. The error is
// fs.ErrNotExist where no node runs there, or it has nothing to say.
func ReadNATStatus(dataDir string) (NATStatus, error) {
	var s NATStatus
	file := filepath.Join(dataDir, natFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return s, fmt.Errorf("how the node is reached: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("how the node is reached, %s: %w", file, err)
	}
	return s, nil
}

// writeNATStatus replaces the file.
func writeNATStatus(dataDir string, s NATStatus) error {
	s.Written = time.Now().UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(s, "", "\t")
	if err == nil {
		err = datadir.Write(filepath.Join(dataDir, natFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("how the node is reached: %w", err)
	}
	return nil
}

// removeNATStatus is for a node that has given its mappings back.
func removeNATStatus(dataDir string) error {
	if err := os.Remove(filepath.Join(dataDir, natFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("how the node is reached: %w", err)
	}
	return nil
}
