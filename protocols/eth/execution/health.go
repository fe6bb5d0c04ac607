package execution

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// Health says how an execution node is.
type Health string

// The values of a Health.
const (
	Connecting  Health = "connecting"    // it has not answered yet
	Working     Health = "working"       // it answers, and has new blocks
	Unavailable Health = "unavailable"   // it has not answered for patience, or never
	OtherChain  Health = "other chain"   // it is a node of another chain, and is not used
	WithoutHead Health = "without block" // it has the genesis block alone: it syncs
	Stalled     Health = "stalled"       // it answers, and has had no new block for standstill
)

const (
	// patience is how long a node may not answer. A restart often takes less.
	patience = 20 * time.Second
	// standstill is how long a node may have no new block: 25 slots.
	standstill = 5 * time.Minute
	// firstPause and lastPause are how long the first and the longest wait for a new connection are.
	firstPause, lastPause = time.Second, 15 * time.Second
)

// OtherChainError says that a node is of another chain.
type OtherChainError struct {
	Field     string // "chain ID" or "genesis block"
	Got, Want any
}

// Error implements error.
func (e *OtherChainError) Error() string {
	return fmt.Sprintf("%s is %v, want %v", e.Field, e.Got, e.Want)
}

// monitor finds out a node's Health from its answers.
type monitor struct {
	health   Health
	failure  error       // of the last call; nil: it was answered
	head     common.Hash // of the last answer; zero: there was none
	answered time.Time
	changed  time.Time // when another head came
	failed   int       // connections in a row without an answer
}

// answer notes an answer with the node's head.
func (m *monitor) answer(now time.Time, head *verify.Header) {
	m.answered, m.failure, m.failed = now, nil, 0
	if m.head != head.Hash {
		m.head, m.changed = head.Hash, now
	}
	switch {
	case head.Number == 0:
		m.health = WithoutHead
	case now.Sub(m.changed) >= standstill:
		m.health = Stalled
	default:
		m.health = Working
	}
}

// fail notes that a connection could not be made, or has ended, and returns how long to wait for the
// next one.
func (m *monitor) fail(now time.Time, err error) (pause time.Duration) {
	m.failure = err
	pause = min(firstPause<<min(m.failed, 10), lastPause)
	m.failed++
	var other *OtherChainError
	switch {
	case errors.As(err, &other):
		m.health, pause = OtherChain, lastPause
		m.head = common.Hash{}
	case m.health == OtherChain:
	case m.answered.IsZero() || now.Sub(m.answered) >= patience:
		m.health = Unavailable
	}
	return pause
}
