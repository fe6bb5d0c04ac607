package execution

import (
	"context"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config configures a Node.
type Config struct {
	// URL is what [rpc.Dial] takes: an http, https, ws or wss URL, or the path of a unix socket. It
	// may have credentials.
	URL string
	// Dial connects to a node in place of URL, such as one in the same process.
	Dial func(context.Context) (*rpc.Client, error)
	// ChainID and Genesis, the hash of block 0, are what the node must have.
	ChainID uint64
	Genesis common.Hash
	// Log gets changes of the Health. Nil: they are not logged.
	Log *slog.Logger
	// HeadChanged is called after what Head returns has changed. AccountsChanged is called with
	// accounts that the node has answered for. Both are called from a goroutine of Run and must not block.
	HeadChanged     func()
	AccountsChanged func([]common.Address)
}

const (
	// timeout is for one connection and for one call. A node that syncs is slow.
	timeout = 10 * time.Second
	// pollEvery is how often the head is asked for. It is a third of a slot.
	pollEvery = 4 * time.Second
	// slot is how often the head is asked for while a subscription tells of new heads, which may stall.
	slot = 12 * time.Second
	// maxAnswer bounds an answer by HTTP or WebSocket, in bytes. The largest, depth blocks, has some MB.
	maxAnswer = 16 << 20
	// accountsPerCall is for how many accounts one call asks. Some providers take no more than 100
	// calls in a batch, and an account needs two.
	accountsPerCall = 50
)
