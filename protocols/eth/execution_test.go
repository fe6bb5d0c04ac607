package eth_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// executionAPI is that of an execution node in this process that has the test chain up to a block.
type executionAPI struct {
	files *eth.Files
	id    uint64
	state pool.State

	mu   sync.Mutex
	to   uint64
	wait chan struct{} // not nil: calls for accounts wait for it
	fail error         // of calls for accounts
}

func newExecutionAPI(n *chain.Network, files *eth.Files, state pool.State, to uint64) *executionAPI {
	return &executionAPI{files: files, id: n.Config.ChainID.Uint64(), state: state, to: to}
}

// serve returns the function that connects to the API, which is served until the test ends.
func (a *executionAPI) serve(t testing.TB) func(context.Context) (*rpc.Client, error) {
	t.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("eth", a); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return func(context.Context) (*rpc.Client, error) { return rpc.DialInProc(server), nil }
}

func (a *executionAPI) set(f func(*executionAPI)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

func (a *executionAPI) ChainId() hexutil.Uint64 { return hexutil.Uint64(a.id) }

func (a *executionAPI) GetBlockByNumber(number rpc.BlockNumber, _ bool) (*types.Header, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := uint64(number)
	if number == rpc.LatestBlockNumber {
		n = a.to
	}
	text, err := a.files.Read(chain.Header, n)
	if err != nil || n > a.to {
		return nil, err
	}
	h := new(types.Header)
	return h, rlp.DecodeBytes(text, h)
}

func (a *executionAPI) GetTransactionCount(addr common.Address, _ rpc.BlockNumberOrHash) (hexutil.Uint64, error) {
	a.mu.Lock()
	wait, fail := a.wait, a.fail
	a.mu.Unlock()
	if wait != nil {
		<-wait
	}
	nonce, _, _ := a.state.Account(addr)
	return hexutil.Uint64(nonce), fail
}

func (a *executionAPI) GetBalance(addr common.Address, _ rpc.BlockNumberOrHash) (*hexutil.Big, error) {
	_, balance, _ := a.state.Account(addr)
	return (*hexutil.Big)(balance.ToBig()), nil
}

// TestExecutionNode: a node follows the head of its execution node, which alone says what the head is, and has
// the blocks from its peer, also after a crash of the service.
func TestExecutionNode(t *testing.T) {
	n, files := testChain(t)
	b, err := os.ReadFile("history/testdata/unknown-00000-9d78f735-noproofs.ere")
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.ere")
	if err := os.WriteFile(short, ethtest.FirstOfEre(b, 101), 0o600); err != nil {
		t.Fatal(err)
	}
	actortest.Bubble(t, func(t *testing.T) {
		api := newExecutionAPI(n, files, nil, 500)
		follower := eth.New(eth.Config{Chain: n, History: []string{short}, DialRPC: api.serve(t), Versions: []uint{69}})
		peer := eth.New(eth.Config{Chain: n, Source: files, Versions: []uint{69}})
		p := protocoltest.NewPair(t, follower.Spec(), peer.Spec())
		peer.View().Set(chain.Block{Number: 600, Hash: hashOf(t, files, 600)}, 0)
		latest := func(want uint64) {
			t.Helper()
			actortest.After(15 * time.Second)
			if r := follower.View().Range(); r.Latest != want || r.LatestHash != hashOf(t, files, want) {
				t.Errorf("serves %+v, want %d", r, want)
			}
		}
		latest(500)
		p.A.CrashService()
		api.set(func(a *executionAPI) { a.to = 520 })
		latest(520)
		var info struct {
			RPC *execution.State `json:"rpc"`
		}
		text, err := json.Marshal(follower.Spec().NodeInfo())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &info); err != nil || info.RPC == nil || info.RPC.Health != execution.Working || info.RPC.Number != 520 {
			t.Errorf("%s: %v", text, err)
		}
		p.Close()
	})
}

// TestExecutionAccounts: nonce and balance of senders are those of the execution node. A transaction
// that one remote sends goes on in full if its sender can pay, and is refused if not. While the
// execution node does not answer, nothing is known: the transaction is held, and goes on with the answer.
func TestExecutionAccounts(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	for name, c := range map[string]struct {
		state      pool.State
		fail       error
		slow       time.Duration
		pushed     int // at once
		finally    int
		held, pool int // at once
	}{
		"can pay":            {state: w.state, pushed: 1, finally: 1, pool: 1},
		"has nothing":        {state: new(pool.Dump)},
		"an error":           {state: w.state, fail: errors.New("missing trie node"), held: 1, pool: 1},
		"slow":               {state: w.state, slow: 5 * time.Second, finally: 1, held: 1, pool: 1},
		"slow, with nothing": {state: new(pool.Dump), slow: 5 * time.Second, held: 1, pool: 1},
	} {
		t.Run(name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				api := newExecutionAPI(n, files, c.state, 600)
				h := newHub(t, eth.Config{Chain: n, Source: files, DialRPC: api.serve(t)}, nil)
				all, by := remotes(t, 2)
				h.join(t, by)
				api.set(func(a *executionAPI) {
					if a.fail = c.fail; c.slow > 0 {
						a.wait = make(chan struct{})
						time.AfterFunc(c.slow, func() { close(a.wait) })
					}
				})
				tx := w.tx(0, 0, 0)
				all[0].push(tx)
				actortest.After(3 * time.Second)
				if pushed, told := all[1].got(tx); pushed+told != c.pushed {
					t.Errorf("the transaction came %d times in full and %d times by its hash, want %d", pushed, told, c.pushed)
				}
				if s := h.Pool().State(); s.Transactions != c.pool || s.Held != c.held {
					t.Errorf("the pool has %+v", s)
				}
				actortest.After(5 * time.Second)
				if pushed, told := all[1].got(tx); pushed+told != c.finally {
					t.Errorf("in the end the transaction came %d times in full and %d times by its hash, want %d", pushed, told, c.finally)
				}
				if s := h.Pool().State(); c.state != w.state && s.Transactions != 0 {
					t.Errorf("in the end the pool has %+v", s)
				}
			})
		})
	}
}

// TestExecutionFlag: what --eth.rpc takes. Neither an error nor the value as it is shown has
// credentials.
func TestExecutionFlag(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "http://user:secret@host/secret": true, "wss://host": true, "/a/geth.ipc": true,
		"ftp://secret": false, "http://secret:secret": false,
	} {
		flag := eth.New(eth.Config{}).Spec().Flags.Lookup("eth.rpc")
		err := flag.Value.Set(text)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "secret") || strings.Contains(flag.Value.String(), "secret") {
			t.Errorf("%q: %v, shown as %q", text, err, flag.Value.String())
		}
	}
	help := eth.New(eth.Config{RPC: "http://user:secret@host/secret"}).Spec().Flags.Lookup("eth.rpc").DefValue
	if help != "http://host" {
		t.Errorf("the default is shown as %q", help)
	}
}
