package eth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestLiesAboutTransactions: each lie ends the link, and the cause says which.
func TestLiesAboutTransactions(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	tx, other := w.tx(0, 0, 0), w.tx(1, 0, 0)
	is := announce.Tx{Hash: tx.Hash(), Type: tx.Type(), Size: uint32(tx.Size())}
	blobs := types.NewTx(&types.BlobTx{ChainID: uint256.MustFromBig(n.Config.ChainID), BlobHashes: []common.Hash{{1}}})
	many := make([]*types.Transaction, txfetch.MaxPushed+1)
	for i := range many {
		many[i] = types.NewTx(&types.LegacyTx{})
	}
	for name, c := range map[string]struct {
		lie  func(*remote)
		want error
	}{
		"size": {func(r *remote) {
			r.announce(tx)
			larger := is
			larger.Hash, larger.Type, larger.Size = other.Hash(), other.Type(), uint32(other.Size())+9
			r.has[other.Hash()] = other
			r.tell(larger)
		}, txfetch.ErrSize},
		"type": {func(r *remote) {
			r.has[tx.Hash()] = tx
			r.tell(announce.Tx{Hash: is.Hash, Type: types.LegacyTxType, Size: is.Size})
		}, txfetch.ErrType},
		"unasked": {func(r *remote) {
			r.has[tx.Hash()] = other
			r.tell(is)
		}, txfetch.ErrUnasked},
		"pushed blobs":    {func(r *remote) { r.push(blobs) }, txfetch.ErrPushed},
		"too many":        {func(r *remote) { r.push(many...) }, txfetch.ErrMessage},
		"no transactions": {func(r *remote) { r.send(&protocols.RawMessage{Code: 2, Payload: rlp.EmptyString}) }, txfetch.ErrMessage},
		"announcement of 71": {func(r *remote) {
			r.send(&protocols.RawMessage{Code: 8, Payload: announce.Encode(71, nil, types.CustodyBitmap{})})
		}, announce.ErrMessage},
		"answer without list": {func(r *remote) { r.garbled = true; r.announce(tx) }, txfetch.ErrMessage},
	} {
		t.Run(name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				cfg := eth.Config{Chain: n, Source: files, Versions: []uint{72}}
				r := newRemote(t)
				p := protocoltest.NewPair(t, eth.New(cfg).Spec(), r.spec(eth.New(cfg)))
				actortest.After(time.Millisecond)
				c.lie(r)
				if cause := p.A.Wait(); !errors.Is(cause, c.want) || cause.Reason != protocols.DiscProtocolError || cause.Side != protocols.Local {
					t.Errorf("the link ended with %v, want %v", cause, c.want)
				}
			})
		})
	}
}

// TestAnnouncementsThatNeverCome: a remote that announces a thousand transactions a second and has none
// is asked ever more rarely, and the others are heard as before.
func TestAnnouncementsThatNeverCome(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state}, nil)
		all, by := remotes(t, 3)
		h.join(t, by)
		liar, honest, watcher := all[0], all[1], all[2]
		liar.mute = true
		txs := w.txs(60)
		for second := range 60 {
			for i := range 10 {
				var list []announce.Tx
				for j := range 100 {
					list = append(list, announce.Tx{Hash: common.Hash{1, byte(second), byte(i), byte(j)}, Type: 2, Size: 200})
				}
				liar.tell(list...)
			}
			honest.announce(txs[second])
			actortest.After(time.Second)
			if pushed, told := watcher.got(txs[second]); pushed+told != 1 {
				t.Fatalf("after %d s: a transaction of the honest remote came %d times within a second", second, pushed+told)
			}
		}
		if got := liar.requests(); len(got) == 0 || len(got) > 6 {
			t.Errorf("the liar got %d requests in a minute: %v", len(got), got)
		}
	})
}

// TestInvalidTransactions: a remote that sends 2,000 transactions a second that are refused is not
// listened to most of the time. None of them goes on, and those of others do.
func TestInvalidTransactions(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state}, nil)
		all, by := remotes(t, 3)
		h.join(t, by)
		hostile, honest, watcher := all[0], all[1], all[2]
		w.tip = 1000
		honest.push(w.txs(20)...)
		actortest.After(time.Second)
		w.tip = 999 // none replaces the one before
		refused := w.txs(20)
		message := append(append(append([]*types.Transaction{}, refused...), refused...), refused...)
		const seconds = 10
		w.tip = 1
		for second := range seconds {
			for range 33 {
				hostile.push(message...)
			}
			tx := w.tx(second, 1, 0)
			honest.push(tx)
			actortest.After(time.Second)
			if pushed, told := watcher.got(tx); pushed+told != 1 {
				t.Fatalf("after %d s: a transaction of the honest remote came %d times within a second", second, pushed+told)
			}
		}
		for _, tx := range refused {
			if pushed, told := watcher.got(tx); pushed+told != 0 {
				t.Error("a refused transaction has gone on")
			}
		}
		if got := h.Pool().State().Refused; got < 500 || got > 500+100*seconds+100 {
			t.Errorf("%d of %d transactions were looked at, want what the allowance has: 500 and 100 a second", got, seconds*33*len(message))
		}
	})
}
