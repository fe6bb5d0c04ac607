package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/whisper/whisperv6"
)

// serve runs a node with Whisper until standard input ends.
func serve() error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	w := whisperv6.StandaloneWhisperService(nil)
	mail := &mailbox{requests: make(chan *whisperv6.Envelope, 100)}
	w.RegisterServer(mail)
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey: key, Name: "interop", MaxPeers: 10, NoDiscovery: true, ListenAddr: "127.0.0.1:0",
		Protocols: w.Protocols(),
	}}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Stop()
	if err := w.Start(); err != nil {
		return err
	}
	// w is not stopped, because Stop would wait until former demands are no longer tolerated.
	calls := rpc.NewServer()
	if err := calls.RegisterName("shh", whisperv6.NewPublicWhisperAPI(w)); err != nil {
		return err
	}
	if err := calls.RegisterName("test", &testAPI{server, w, mail}); err != nil {
		return err
	}
	calls.ServeCodec(rpc.NewCodec(&stdio{os.Stdin, os.Stdout}), 0)
	return nil
}

// stdio makes a connection of standard input and output.
type stdio struct {
	io.ReadCloser
	io.Writer
}

func (*stdio) SetWriteDeadline(time.Time) error { return nil }

// mailbox is a mail server that keeps the requests of peers.
type mailbox struct{ requests chan *whisperv6.Envelope }

func (m *mailbox) Archive(*whisperv6.Envelope) {}

func (m *mailbox) DeliverMail(_ *whisperv6.Peer, request *whisperv6.Envelope) { m.requests <- request }

// testAPI has the calls that tests need besides the old ones.
type testAPI struct {
	server *p2p.Server
	w      *whisperv6.Whisper
	mail   *mailbox
}

// Enode returns the node's enode URL.
func (a *testAPI) Enode() string { return a.server.Self().URLv4() }

// Dial adds a static peer.
func (a *testAPI) Dial(url string) error {
	n, err := enode.ParseV4(url)
	if err != nil {
		return err
	}
	a.server.AddPeer(n)
	return nil
}

// Peers returns the number of links.
func (a *testAPI) Peers() int { return a.server.PeerCount() }

// Pooled reports whether an envelope is in the node's pool.
func (a *testAPI) Pooled(hash common.Hash) bool { return a.w.GetEnvelope(hash) != nil }

// SetMinPoWNow is shh_setMinPoW without the period in which the former value is tolerated.
func (a *testAPI) SetMinPoWNow(pow float64) { a.w.SetMinimumPowTest(pow) }

// SetBloomAndWait is shh_setBloomFilter, and waits until the former filter is no longer
// tolerated.
func (a *testAPI) SetBloomAndWait(bloom hexutil.Bytes) error {
	if err := a.w.SetBloomFilter(bloom); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); !bytes.Equal(a.w.BloomFilterTolerance(), bloom); {
		if time.Now().After(end) {
			return errors.New("the former bloom filter is still tolerated after a minute")
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// Inject puts an envelope into the node's pool, by its own rules.
func (a *testAPI) Inject(raw hexutil.Bytes) error {
	var e whisperv6.Envelope
	if err := rlp.DecodeBytes(raw, &e); err != nil {
		return err
	}
	return a.w.Send(&e)
}

// SendDirect sends an envelope to a peer as a P2P message.
func (a *testAPI) SendDirect(url string, raw hexutil.Bytes) error {
	return a.toPeer(url, raw, a.w.SendP2PMessage)
}

// RequestMail sends an envelope to a peer as a P2P request, which makes the peer trusted.
func (a *testAPI) RequestMail(url string, raw hexutil.Bytes) error {
	return a.toPeer(url, raw, a.w.RequestHistoricMessages)
}

func (a *testAPI) toPeer(url string, raw []byte, send func([]byte, *whisperv6.Envelope) error) error {
	n, err := enode.ParseV4(url)
	if err != nil {
		return err
	}
	var e whisperv6.Envelope
	if err := rlp.DecodeBytes(raw, &e); err != nil {
		return err
	}
	return send(n.ID().Bytes(), &e)
}

// NextRequest waits for the next P2P request of a peer and returns its hash.
func (a *testAPI) NextRequest() (common.Hash, error) {
	select {
	case e := <-a.mail.requests:
		return e.Hash(), nil
	case <-time.After(30 * time.Second):
		return common.Hash{}, errors.New("no request within 30 seconds")
	}
}
