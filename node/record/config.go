package record

import (
	"crypto/ecdsa"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/punch"
)

// Config is the configuration of a record.
type Config struct {
	Runtime supervise.Runtime
	Key     *ecdsa.PrivateKey
	// DataDir keeps the record and nat.json over restarts. Empty: they are not kept.
	DataDir string
	Sockets *listen.Sockets
	// Discovery says that the record follows the address that peers observe, with go-ethereum's
	// LocalNode.
	Discovery bool
	// Fixed is the address that the operator configured. Its IP is invalid if there is none.
	Fixed nat.ExternalAddress
	// Machine returns the addresses of the machine. It may be nil.
	Machine func() []netip.Addr
	// Attributes returns what protocols and hole punching add to the record now.
	Attributes func() ([]enr.Entry, error)

	Self    *actor.PID // the announcer
	Puncher *actor.PID // receives punch.Mapped and punch.Renewed
	// Punch is nil without hole punching.
	Punch *punch.Service

	// The announcer calls Changed for each new record, and Reachable for each change of the NAT
	// or of the endpoint that neighbours observe. They must not block.
	Changed   func(*enode.Node)
	Reachable func(punch.State)
	Logger    *slog.Logger
}

// Record is a node's record.
type Record struct {
	Config
	current   atomic.Pointer[enode.Node]
	local     *enode.LocalNode // makes the record if discovery is on; otherwise nil
	announced announced        // what was passed to local
	db        *enode.DB        // nil without discovery
	kept      *enode.Node      // the record that the data directory has
	// The files in the data directory.
	recordFile, statusFile datadir.File
	outside                nat.ExternalAddress

	natStatus atomic.Pointer[nat.Status]
	natGone   atomic.Bool                 // the NAT actor has deleted its mappings
	reach     atomic.Pointer[punch.State] // the puncher's latest state
	counters  counters
}

type counters struct{ renewed, failed, wrote atomic.Uint64 }

// State is the counters of the announcer. The counters only grow.
type State struct {
	Renewed uint64 // new records
	Failed  uint64 // records that could not be made or stored
	Written uint64 // files written
}

// State returns the counters.
func (r *Record) State() State {
	return State{Renewed: r.counters.renewed.Load(), Failed: r.counters.failed.Load(), Written: r.counters.wrote.Load()}
}

// New makes a record without addresses, for a node that was not started.
func New(key *ecdsa.PrivateKey) (*Record, error) {
	n, err := sign(key, endpoint{}.entries(), 0)
	if err != nil {
		return nil, err
	}
	r := &Record{Config: Config{Key: key}}
	r.current.Store(n)
	return r, nil
}

// Open makes the first record of a node that listens. It continues the record that the data
// directory keeps.
func (r *Record) Open(c Config) error {
	r.Config = c
	r.outside = c.Fixed // known without the NAT actor, so that the first record has it
	r.recordFile = datadir.File{Path: c.file(recordFile), Content: "node record", Logger: c.Logger}
	r.statusFile = datadir.File{Path: c.file(natFile), Content: "NAT status", Logger: c.Logger}
	kept, unreadable := last(c.DataDir)
	if unreadable != nil {
		c.Logger.Warn("previous node record replaced", "err", unreadable)
	}
	if err := r.openLocal(kept); err != nil {
		return err
	}
	changed, err := r.renew(kept)
	if err != nil {
		return err
	}
	if !changed {
		r.kept = kept
	}
	r.keep()
	return nil
}

// Close closes the node database.
func (r *Record) Close() {
	if r.db != nil {
		r.db.Close()
		r.db = nil
	}
}

// Props makes the announcer.
func (r *Record) Props() *actor.Props {
	return r.Runtime.Props(func() actor.Actor { return &announcer{Record: r} })
}

// Node returns the current record.
func (r *Record) Node() *enode.Node { return r.current.Load() }

// NATGone records that the NAT actor has stopped, and has deleted its mappings.
func (r *Record) NATGone() { r.natGone.Store(true) }

// Local returns the LocalNode for discovery, nil without discovery.
func (r *Record) Local() *enode.LocalNode { return r.local }

// NAT returns the latest status of the NAT actor. ok is false if there is none yet.
func (r *Record) NAT() (status nat.Status, ok bool) {
	if s := r.natStatus.Load(); s != nil {
		return *s, true
	}
	return nat.Status{}, false
}

// Belief returns the node's classification of its NAT.
func (r *Record) Belief() punch.NAT {
	if s := r.reach.Load(); s != nil {
		return s.Belief
	}
	return punch.Unknown
}

// AddressFound passes the announcer the address at which other nodes reach this one. The NAT
// actor calls it.
func (r *Record) AddressFound(a nat.ExternalAddress) {
	r.Runtime.Send(r.Config.Self, &addressFound{address: a})
}

// NATChanged passes the announcer a new status of the NAT actor.
func (r *Record) NATChanged(s nat.Status) { r.Runtime.Send(r.Config.Self, &natChanged{status: s}) }

// PunchChanged passes the announcer a new state of the puncher.
func (r *Record) PunchChanged(s punch.State) { r.Runtime.Send(r.Config.Self, &punchChanged{state: s}) }

func (c Config) file(name string) string { return filepath.Join(c.DataDir, name) }
