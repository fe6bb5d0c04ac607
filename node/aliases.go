package node

import (
	"crypto/ecdsa"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// This file has public names for types and functions of the packages below node, so that
// programs need to import node alone.

// The reasons to refuse or end a connection, see package refusal. [SetupFailed] and the
// [Cause] of a [PeerDropped] have them.
var (
	ErrSelf             = refusal.ErrSelf
	ErrAlreadyConnected = refusal.ErrAlreadyConnected
	ErrTooManyPeers     = refusal.ErrTooManyPeers
	ErrInboundFull      = refusal.ErrInboundFull
	ErrCrowdedHost      = refusal.ErrCrowdedHost
	ErrCrowdedNetwork   = refusal.ErrCrowdedNetwork
	ErrBanned           = refusal.ErrBanned
	ErrMadeRoom         = refusal.ErrMadeRoom
	ErrUselessPeer      = refusal.ErrUselessPeer
	ErrProtocolRemoved  = refusal.ErrProtocolRemoved
	ErrOwnDialFirst     = refusal.ErrOwnDialFirst
	ErrTheirDialFirst   = refusal.ErrTheirDialFirst
	ErrStopping         = refusal.ErrStopping
	ErrNotAllowed       = refusal.ErrNotAllowed
	ErrThrottled        = refusal.ErrThrottled
	ErrObserved         = refusal.ErrObserved
	ErrPendingFull      = refusal.ErrPendingFull
	ErrAlreadyDialing   = refusal.ErrAlreadyDialing
	ErrPendingInbound   = refusal.ErrPendingInbound
	ErrNoAddress        = refusal.ErrNoAddress
	ErrCancelled        = refusal.ErrCancelled
	ErrSetupTimeout     = refusal.ErrSetupTimeout
)

// ErrProtected is the error of a ban on a static or trusted node.
var ErrProtected = bans.ErrProtected

// ErrBanNotKept is the error of a ban, or of its end, that the data directory does not have. The
// node obeys the change until it stops.
var ErrBanNotKept = bans.ErrNotKept

// ErrDataDirInUse is the error of New for a data directory that another node uses.
var ErrDataDirInUse = datadir.ErrInUse

// Ban keeps a node or a network out for a time. BanTarget is the node or the network. See
// package bans.
type (
	Ban       = bans.Ban
	BanTarget = bans.Target
)

// BanID is the target of a ban on one node.
func BanID(id enode.ID) BanTarget { return bans.ByID(id) }

// BanIP is the target of a ban on one address.
func BanIP(addr netip.Addr) BanTarget { return bans.ByIP(addr) }

// ParseBanTarget parses a node (its URL, its record or its ID in hex), an IP address, or a
// network in CIDR notation.
func ParseBanTarget(s string) (BanTarget, error) { return bans.ParseTarget(s) }

// NATStatus is the state of a node's port mapping and hole punching, see [ReadNATStatus] and
// admin_nat.
type NATStatus = record.NATStatus

// ReadNATStatus reads the NAT status that the node with this data directory has written. The
// error is fs.ErrNotExist if no node runs there, or if the node has no result yet.
func ReadNATStatus(dataDir string) (NATStatus, error) { return record.ReadStatus(dataDir) }

// ReadRecord reads the record that a node with this data directory keeps there.
func ReadRecord(dataDir string) (*enode.Node, error) { return record.Read(dataDir) }

// DefaultDialRatio is the share of the peers that a node dials itself: one in three.
const DefaultDialRatio = peers.DefaultDialRatio

// KeyFile returns the path of the file in which a node with this data directory keeps its
// private key.
func KeyFile(dataDir string) string { return datadir.KeyFile(dataDir) }

// ReadKey reads a private key, as 64 hex digits, from a file.
func ReadKey(file string) (*ecdsa.PrivateKey, error) { return datadir.ReadKey(file) }

// FreshKey makes a private key and does not store it.
func FreshKey() (*ecdsa.PrivateKey, error) { return datadir.FreshKey() }

// CreateKey makes a private key and writes it to a new file that only its owner can
// read. It makes the file's directory if there is none. It never overwrites a file: the
// error is fs.ErrExist.
func CreateKey(file string) (*ecdsa.PrivateKey, error) { return datadir.CreateKey(file) }
