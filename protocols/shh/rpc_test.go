package shh_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/protocols/shh"
)

// dial returns a client of a node's namespace shh.
func dial(t testing.TB, w *shh.Whisper) *rpc.Client {
	t.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("shh", w.Spec().API); err != nil {
		t.Fatal(err)
	}
	c := rpc.DialInProc(server)
	t.Cleanup(c.Close)
	return c
}

// call makes one call and returns its result.
func call[T any](t testing.TB, c *rpc.Client, method string, params ...any) (result T) {
	t.Helper()
	if err := c.CallContext(t.Context(), &result, method, params...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return result
}

func TestRPCKeys(t *testing.T) {
	c := dial(t, newWhisper(t, easy))
	private := hexutil.Bytes(strings.Repeat("k", 32))
	pair := call[string](t, c, "shh_addPrivateKey", private)
	if got := call[hexutil.Bytes](t, c, "shh_getPrivateKey", pair); got.String() != private.String() {
		t.Errorf("private key %v", got)
	}
	if got := call[hexutil.Bytes](t, c, "shh_getPublicKey", pair); len(got) != 65 {
		t.Errorf("public key %v", got)
	}
	for _, id := range []string{pair, call[string](t, c, "shh_newKeyPair")} {
		if !call[bool](t, c, "shh_hasKeyPair", id) || !call[bool](t, c, "shh_deleteKeyPair", id) || call[bool](t, c, "shh_hasKeyPair", id) {
			t.Errorf("key pair %s did not exist, or was not deleted", id)
		}
	}
	sym := call[string](t, c, "shh_addSymKey", symKey)
	if got := call[hexutil.Bytes](t, c, "shh_getSymKey", sym); got.String() != symKey.String() {
		t.Errorf("symmetric key %v", got)
	}
	made := call[string](t, c, "shh_newSymKey")
	fromPassword := call[string](t, c, "shh_generateSymKeyFromPassword", "secret")
	for _, id := range []string{sym, made, fromPassword} {
		if !call[bool](t, c, "shh_hasSymKey", id) || !call[bool](t, c, "shh_deleteSymKey", id) || call[bool](t, c, "shh_hasSymKey", id) {
			t.Errorf("symmetric key %s did not exist, or was not deleted", id)
		}
	}
	if call[bool](t, c, "shh_deleteSymKey", sym) {
		t.Error("a symmetric key was deleted twice")
	}
	var err rpc.Error
	if got := c.Call(nil, "shh_getPublicKey", pair); !errors.As(got, &err) || !strings.Contains(got.Error(), "no such key") {
		t.Errorf("error for a deleted key: %v", got)
	}
}

func TestRPCDemand(t *testing.T) {
	w := newWhisper(t, easy)
	c := dial(t, w)
	if got := call[string](t, c, "shh_version"); got != "6.0" {
		t.Errorf("version %q", got)
	}
	bloom := topic.Bloom()
	for method, param := range map[string]any{
		"shh_setMaxMessageSize": 5000, "shh_setMinPoW": 0.5, "shh_setBloomFilter": hexutil.Bytes(bloom[:]),
		"shh_markTrustedPeer": "enode://" + peerKey + "@127.0.0.1:30303",
	} {
		if !call[bool](t, c, method, param) {
			t.Errorf("%s returned false", method)
		}
	}
	if got := call[shh.Info](t, c, "shh_info"); got.MaxMessageSize != 5000 || got.MinPow != 0.5 {
		t.Errorf("info %+v", got)
	}
	if !call[bool](t, c, "shh_makeLightClient") || !call[bool](t, c, "shh_cancelLightClient") {
		t.Error("shh_makeLightClient or shh_cancelLightClient returned false")
	}
	for method, param := range map[string]any{
		"shh_setMaxMessageSize": uint32(1<<32 - 1), "shh_setMinPoW": -1, "shh_setBloomFilter": "0x00",
		"shh_markTrustedPeer": "nobody", "shh_newMessageFilter": shh.Criteria{}, "shh_post": shh.NewMessage{},
	} {
		if err := c.Call(nil, method, param); err == nil {
			t.Errorf("%s %v: no error", method, param)
		}
	}
}

// peerKey is the public key of a node, in hex.
const peerKey = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138" +
	"7574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f"

func TestRPCMessages(t *testing.T) {
	w := newWhisper(t, easy)
	c := dial(t, w)
	key := call[string](t, c, "shh_addSymKey", symKey)
	criteria := shh.Criteria{SymKeyID: key, Topics: []shh.Topic{topic}}
	filter := call[string](t, c, "shh_newMessageFilter", criteria)
	pushed := make(chan *shh.Message, 1)
	sub, err := c.Subscribe(t.Context(), "shh", pushed, "messages", criteria)
	if err != nil {
		t.Fatal(err)
	}
	hash := call[common.Hash](t, c, "shh_post", shh.NewMessage{SymKeyID: key, Topic: topic, Payload: []byte("hello"), PowTime: 60})
	m := <-pushed
	if string(m.Payload) != "hello" || m.Topic != topic || common.BytesToHash(m.Hash) != hash {
		t.Errorf("pushed %+v", m)
	}
	if got := call[[]*shh.Message](t, c, "shh_getFilterMessages", filter); len(got) != 1 || string(got[0].Payload) != "hello" {
		t.Errorf("filter returned %+v", got)
	}
	if got := call[[]*shh.Message](t, c, "shh_getFilterMessages", filter); got == nil || len(got) != 0 {
		t.Errorf("an empty filter returned %#v", got)
	}
	sub.Unsubscribe()
	if !call[bool](t, c, "shh_deleteMessageFilter", filter) {
		t.Error("filter not deleted")
	}
	if err := c.Call(nil, "shh_getFilterMessages", filter); err == nil {
		t.Error("a deleted filter returned messages")
	}
}

// Filters of clients that have gone are removed, so others can be made.
func TestRPCFiltersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shh.New(easy)
		defer w.Close()
		c := dial(t, w)
		defer c.Close()
		criteria := shh.Criteria{SymKeyID: call[string](t, c, "shh_addSymKey", symKey), Topics: []shh.Topic{topic}}
		asked := call[string](t, c, "shh_newMessageFilter", criteria)
		var last string
		for range 63 {
			last = call[string](t, c, "shh_newMessageFilter", criteria)
		}
		if err := c.Call(nil, "shh_newMessageFilter", criteria); err == nil || !strings.Contains(err.Error(), "too many filters") {
			t.Fatalf("one filter too many: %v", err)
		}
		time.Sleep(4 * time.Minute)
		call[[]*shh.Message](t, c, "shh_getFilterMessages", asked)
		time.Sleep(2 * time.Minute)
		call[string](t, c, "shh_newMessageFilter", criteria)
		call[[]*shh.Message](t, c, "shh_getFilterMessages", asked)
		if err := c.Call(nil, "shh_getFilterMessages", last); err == nil {
			t.Error("a filter exists that was not polled for six minutes")
		}
	})
}

// Close ends a Post that would compute for a long time.
func TestCloseEndsPost(t *testing.T) {
	w := shh.New(easy)
	key := symKeyID(t, w)
	posted := make(chan error, 1)
	go func() {
		_, err := w.Post(context.Background(), shh.NewMessage{SymKeyID: key, Topic: topic, PowTarget: 1e9, PowTime: 3600})
		posted <- err
	}()
	w.Close()
	if err := <-posted; !errors.Is(err, shh.ErrPoWNotReached) {
		t.Errorf("post ended with %v", err)
	}
}
