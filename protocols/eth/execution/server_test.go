package execution_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chainID = 77

// grow returns a chain with more blocks, up to a number. extra tells chains apart.
func grow(chain []verify.Header, extra string, to uint64) []verify.Header {
	chain = slices.Clone(chain)
	for n := uint64(len(chain)); n <= to; n++ {
		f := &types.Header{Number: new(big.Int).SetUint64(n), Difficulty: new(big.Int), Extra: []byte(extra), Time: n}
		if n > 0 {
			f.ParentHash = chain[n-1].Hash
		}
		b, err := rlp.EncodeToBytes(f)
		if err != nil {
			panic(err)
		}
		h, err := verify.DecodeHeader(b)
		if err != nil {
			panic(err)
		}
		chain = append(chain, h)
	}
	return chain
}

// server is the API of an execution node in this process.
type server struct {
	genesis common.Hash

	mu       sync.Mutex
	rpc      *rpc.Server
	chain    []verify.Header
	id       uint64
	down     bool                           // connections are refused
	hang     chan struct{}                  // not nil: calls wait for it
	lie      func(block map[string]any) any // not nil: changes blocks
	accounts map[common.Address]any         // nonce and balance; not there: zero. An error is answered
	news     []chan struct{}                // of subscriptions
	deaf     bool                           // no subscriptions
	calls    map[string]int
}

func newServer(t testing.TB, chain []verify.Header) *server {
	s := &server{genesis: chain[0].Hash, chain: chain, id: chainID, calls: map[string]int{}, accounts: map[common.Address]any{}}
	s.restart(t)
	return s
}

// restart begins to answer after stop.
func (s *server) restart(t testing.TB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rpc, s.down = rpc.NewServer(), false
	if err := s.rpc.RegisterName("eth", &api{s}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.rpc.Stop)
}

// stop ends all connections, and refuses new ones.
func (s *server) stop() {
	s.mu.Lock()
	server := s.rpc
	s.down = true
	s.mu.Unlock()
	server.Stop()
}

func (s *server) dial(context.Context) (*rpc.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("connection refused")
	}
	return rpc.DialInProc(s.rpc), nil
}

func (s *server) set(f func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// head makes a chain the server's, and tells of its head.
func (s *server) head(chain []verify.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chain = chain
	for _, c := range s.news {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (s *server) count(method string) (int, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method]++
	return s.calls[method], s.hang
}

func (s *server) called(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// api is what is registered.
type api struct{ s *server }

func (a *api) ChainId() hexutil.Uint64 {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return hexutil.Uint64(a.s.id)
}

func (a *api) GetBlockByNumber(ctx context.Context, number rpc.BlockNumber, _ bool) (any, error) {
	if _, hang := a.s.count("block"); hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
		}
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	i := int(number)
	if number == rpc.LatestBlockNumber {
		i = len(a.s.chain) - 1
	}
	if i < 0 || i >= len(a.s.chain) {
		return nil, nil
	}
	block := map[string]any{}
	text, err := json.Marshal(a.s.chain[i].Fields)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &block); err != nil {
		return nil, err
	}
	if a.s.lie != nil {
		return a.s.lie(block), nil
	}
	return block, nil
}

func (a *api) GetTransactionCount(addr common.Address, at rpc.BlockNumberOrHash) (any, error) {
	return a.account("nonce", addr, at, func(e *entry) any { return hexutil.Uint64(e.nonce) })
}

func (a *api) GetBalance(addr common.Address, at rpc.BlockNumberOrHash) (any, error) {
	return a.account("balance", addr, at, func(e *entry) any { return (*hexutil.Big)(big.NewInt(e.balance)) })
}

// entry is an account of the server.
type entry struct {
	nonce   uint64
	balance int64
}

func (a *api) account(method string, addr common.Address, at rpc.BlockNumberOrHash, of func(*entry) any) (any, error) {
	if _, hang := a.s.count(method); hang != nil {
		<-hang
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	hash, ok := at.Hash()
	if !ok || !slices.ContainsFunc(a.s.chain, func(h verify.Header) bool { return h.Hash == hash }) {
		return nil, errors.New("header not found")
	}
	switch v := a.s.accounts[addr].(type) {
	case nil:
		return of(&entry{}), nil
	case *entry:
		return of(v), nil
	case error:
		return nil, v
	case func(method string) any:
		return v(method), nil
	}
	panic("an account of another type")
}

func (a *api) NewHeads(ctx context.Context) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if !ok || a.s.deaf {
		return nil, rpc.ErrNotificationsUnsupported
	}
	sub, news := notifier.CreateSubscription(), make(chan struct{}, 1)
	a.s.news = append(a.s.news, news)
	go func() {
		for {
			select {
			case <-news:
				_ = notifier.Notify(sub.ID, "new head")
			case <-sub.Err():
				return
			}
		}
	}()
	return sub, nil
}

// run asks the server until the test ends.
func run(t testing.TB, s *server, change func(*execution.Config)) *execution.Node {
	t.Helper()
	cfg := execution.Config{Dial: s.dial, ChainID: chainID, Genesis: s.genesis}
	if change != nil {
		change(&cfg)
	}
	n, err := execution.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { n.Run(ctx) })
	t.Cleanup(func() { cancel(); all.Wait() })
	return n
}
