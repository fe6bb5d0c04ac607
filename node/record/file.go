package record

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

// natFile is the name of the file with the NAT status of a running node in its data directory.
// A node removes it when it stops cleanly. If the file exists and no node runs, a router may
// still have the mappings that it lists.
const natFile = "nat.json"

// NATStatus is the state of port mapping and hole punching. nat.json and admin_nat have it.
type NATStatus struct {
	Written time.Time `json:"written"` // when the file was written, or the call answered
	// Status is that of port mapping. It is zero if port mapping is disabled, or has not begun.
	Status nat.Status `json:"status,omitzero"`
	// HolePunching is nil for a node that takes no part in it.
	HolePunching *punch.State `json:"hole_punching,omitempty"`
}

// Status returns the current status. Written is zero.
func (r *Record) Status() (s NATStatus) {
	s.Status, _ = r.NAT()
	if r.Punch != nil {
		state := r.Punch.State()
		if state.Relays == nil {
			state.Relays = []enode.ID{} // an empty list in JSON
		}
		s.HolePunching = &state
	}
	return s
}

// ReadStatus reads the NAT status that the node with this data directory has written. The error
// is fs.ErrNotExist if no node runs there, or if the node has no result yet.
func ReadStatus(dataDir string) (NATStatus, error) {
	var s NATStatus
	file := filepath.Join(dataDir, natFile)
	text, err := datadir.Read(file)
	if err != nil {
		return s, fmt.Errorf("NAT status: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("NAT status %s: %w", file, err)
	}
	return s, nil
}

// writeStatus replaces the file. It returns false if that failed, which is logged.
func (r *Record) writeStatus(s NATStatus) bool {
	s.Written = time.Now().UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		r.Logger.Warn("writing the NAT status failed", "err", err)
		return false
	}
	return r.statusFile.Write(append(text, '\n')) == nil
}

// removeStatus removes the file of a node that has deleted its mappings. There may be none.
func removeStatus(dataDir string) error {
	file := filepath.Join(dataDir, natFile)
	// A file system that can't be written returns an error also for a file that does not exist.
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.Remove(file)
}
