package eth

import (
	"errors"
	"fmt"
	"slices"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// Config configures an [Eth].
type Config struct {
	// Network is the chain whose peers the node wants.
	Network *chain.Network
	// Versions are the versions to offer. Empty: 68 to 72.
	Versions []uint
	// Source has the blocks that are served.
	Source serve.Source
	// Upload and UploadPeer bound the answers to requests, in bytes a second for all links and for
	// each. Zero: no bound.
	Upload, UploadPeer int
}

// Versions returns the versions that this package speaks, the newest first.
func Versions() []uint { return []uint{eth72, eth71, eth70, eth69, eth68} }

func (c Config) withDefaults() (Config, error) {
	if c.Network == nil || c.Source == nil {
		return c, errors.New("eth: no network, or no source of blocks")
	}
	if len(c.Versions) == 0 {
		c.Versions = Versions()
	}
	for _, v := range c.Versions {
		if !slices.Contains(Versions(), v) {
			return c, fmt.Errorf("eth: version %d: want some of %v", v, Versions())
		}
	}
	if c.Upload < 0 || c.UploadPeer < 0 {
		return c, errors.New("eth: a negative bound of the upload")
	}
	return c, nil
}
