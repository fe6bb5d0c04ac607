package execution

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// CheckURL returns an error if a URL is none that a node can be asked at. The error does not contain
// the URL.
func CheckURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return errors.New("invalid URL") // url.Error has the text
	case rawURL == "", u.Scheme != "" && u.Host == "":
		return errors.New("URL without host")
	}
	switch u.Scheme {
	case "", "http", "https", "ws", "wss":
		return nil
	}
	return errors.New("unknown scheme: want http, https, ws, wss, or the path of a socket")
}

// dialer returns the function that connects to a URL, and one that closes what a connection leaves. User
// and password become a header here: package rpc does not decode them for a WebSocket.
func dialer(rawURL string) (dial func(context.Context) (*rpc.Client, error), closeIdle func()) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 2 // a poll and a batch of accounts
	options := []rpc.ClientOption{
		rpc.WithHTTPClient(&http.Client{Transport: bounded{transport}}),
		rpc.WithWebsocketMessageSizeLimit(maxAnswer),
	}
	if u, err := url.Parse(rawURL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		login := "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
		u.User = nil
		rawURL = u.String()
		options = append(options, rpc.WithHTTPAuth(func(h http.Header) error {
			h.Set("Authorization", login)
			return nil
		}))
	}
	return func(ctx context.Context) (*rpc.Client, error) { return rpc.DialOptions(ctx, rawURL, options...) }, transport.CloseIdleConnections
}

// errTooLarge says that an answer has more than maxAnswer bytes.
var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)

// bounded bounds the size of answers: package rpc reads them whole.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// decodeBlock reads a block of an answer. The header's hash is computed and must be the one that the
// answer gives: otherwise the node has fields that are unknown here. Null is no header.
func decodeBlock(text json.RawMessage) (*verify.Header, error) {
	var fields *types.Header
	var named struct{ Hash common.Hash }
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, err
	}
	encoded, err := rlp.EncodeToBytes(fields)
	if err != nil {
		return nil, err
	}
	h, err := verify.DecodeHeader(encoded)
	if err != nil {
		return nil, err
	}
	if h.Hash != named.Hash {
		return nil, fmt.Errorf("block %d: the header's hash is %v, the answer says %v", h.Number, h.Hash, named.Hash)
	}
	return &h, nil
}

func blockCall(number string) (rpc.BatchElem, *json.RawMessage) {
	text := new(json.RawMessage)
	return rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{number, false}, Result: text}, text
}

// latest asks for the head of a node of this chain. One batch has the head and which chain it is of.
func (n *Node) latest(ctx context.Context, c *rpc.Client) (*verify.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var id hexutil.U256
	first, firstText := blockCall("0x0")
	last, lastText := blockCall("latest")
	batch := []rpc.BatchElem{{Method: "eth_chainId", Result: &id}, first, last}
	if err := c.BatchCallContext(ctx, batch); err != nil {
		return nil, err
	}
	if err := batch[0].Error; err != nil {
		return nil, fmt.Errorf("eth_chainId: %w", err)
	}
	if got, want := (*uint256.Int)(&id), uint256.NewInt(n.cfg.ChainID); !got.Eq(want) {
		return nil, &OtherChainError{"chain ID", got, want}
	}
	genesis, err := blockOf(&batch[1], *firstText, "block 0")
	if err != nil {
		return nil, err
	}
	if genesis.Hash != n.cfg.Genesis {
		return nil, &OtherChainError{"genesis block", genesis.Hash, n.cfg.Genesis}
	}
	return blockOf(&batch[2], *lastText, "latest block")
}

func blockOf(call *rpc.BatchElem, text json.RawMessage, what string) (*verify.Header, error) {
	if call.Error != nil {
		return nil, fmt.Errorf("%s: %w", what, call.Error)
	}
	h, err := decodeBlock(text)
	if err == nil && h == nil {
		err = errors.New("the node does not have it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return h, nil
}

// before asks for some headers. What comes before one that cannot be had is left out.
func before(ctx context.Context, c *rpc.Client, first uint64, count int) (headers []verify.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	batch, texts := make([]rpc.BatchElem, count), make([]*json.RawMessage, count)
	for i := range batch {
		batch[i], texts[i] = blockCall(hexutil.EncodeUint64(first + uint64(i)))
	}
	if err := c.BatchCallContext(ctx, batch); err != nil {
		return nil, err
	}
	for i := range batch {
		h, err := blockOf(&batch[i], *texts[i], "")
		if err != nil {
			headers = nil
			continue
		}
		headers = append(headers, *h)
	}
	return headers, nil
}

// accountsAt asks for accounts as they are at a block. An account is left out if either of its
// calls fails; failure is one of the errors.
func accountsAt(ctx context.Context, c *rpc.Client, block common.Hash, addrs []common.Address) (found map[common.Address]account, failure error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	at := rpc.BlockNumberOrHashWithHash(block, false) // EIP-1898
	batch := make([]rpc.BatchElem, 0, 2*len(addrs))
	nonces, balances := make([]string, len(addrs)), make([]string, len(addrs))
	for i, addr := range addrs {
		batch = append(batch, rpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{addr, at}, Result: &nonces[i]},
			rpc.BatchElem{Method: "eth_getBalance", Args: []any{addr, at}, Result: &balances[i]})
	}
	if err := c.BatchCallContext(ctx, batch); err != nil {
		return nil, err
	}
	found = map[common.Address]account{}
	for i, addr := range addrs {
		a, err := accountOf(nonces[i], balances[i])
		if err := cmp.Or(batch[2*i].Error, batch[2*i+1].Error, err); err != nil {
			failure = err
			continue
		}
		a.block = block
		found[addr] = a
	}
	return found, failure
}

// accountOf reads an account. The numbers' own types are no use here: for them "" and null are zero.
func accountOf(nonce, balance string) (a account, err error) {
	if a.nonce, err = hexutil.DecodeUint64(nonce); err != nil {
		return a, fmt.Errorf("nonce %.20q: %w", nonce, err)
	}
	wei, err := hexutil.DecodeBig(balance)
	if err != nil {
		return a, fmt.Errorf("balance %.80q: %w", balance, err)
	}
	a.balance.SetFromBig(wei) // DecodeBig takes no more than 256 bits
	return a, nil
}
