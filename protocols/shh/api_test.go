package shh_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

func TestKeys(t *testing.T) {
	w := newWhisper(t, easy)
	key := fixture.Key(t)
	id, err := w.AddPrivateKey(crypto.FromECDSA(key))
	if err != nil {
		t.Fatal(err)
	}
	public, err := w.GetPublicKey(id)
	if err != nil || !bytes.Equal(public, crypto.FromECDSAPub(&key.PublicKey)) {
		t.Errorf("public key %v, %v", public, err)
	}
	private, err := w.GetPrivateKey(id)
	if err != nil || !bytes.Equal(private, crypto.FromECDSA(key)) || !w.HasKeyPair(id) {
		t.Errorf("private key %v", err)
	}
	if err := w.DeleteKeyPair(id); err != nil || w.HasKeyPair(id) {
		t.Errorf("delete: %v", err)
	}
	_, errPublic := w.GetPublicKey(id)
	_, errPrivate := w.GetPrivateKey(id)
	for _, err := range []error{errPublic, errPrivate, w.DeleteKeyPair(id)} {
		if !errors.Is(err, shh.ErrNoKey) {
			t.Errorf("error for a deleted key: %v", err)
		}
	}
	if _, err := w.AddPrivateKey(make([]byte, 32)); err == nil {
		t.Error("a private key of zeros was accepted")
	}
	sym, err := w.AddSymKey(symKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.GetSymKey(sym); err != nil || !bytes.Equal(got, symKey) || !w.HasSymKey(sym) {
		t.Errorf("symmetric key %v, %v", got, err)
	}
	if !w.DeleteSymKey(sym) || w.DeleteSymKey(sym) || w.HasSymKey(sym) {
		t.Error("DeleteSymKey or HasSymKey is wrong for a symmetric key")
	}
	random, err := w.GetSymKey(w.NewSymKey())
	if err != nil || len(random) != 32 || bytes.Equal(random, make([]byte, 32)) {
		t.Errorf("random key %v, %v", random, err)
	}
	for _, bad := range [][]byte{nil, symKey[:31], make([]byte, 32)} {
		if _, err := w.AddSymKey(bad); err == nil {
			t.Errorf("%x was accepted as a symmetric key", bad)
		}
	}
	byPassword, err := w.GenerateSymKeyFromPassword("test")
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.GetSymKey(byPassword)
	if want := readVectors(t).Passwords[1]; err != nil || want.Password != "test" || !bytes.Equal(got, want.Key) {
		t.Errorf("key from a password is %v, %v", got, err)
	}
}

func TestRefusedPosts(t *testing.T) {
	w := newWhisper(t, shh.Config{MaxMessageSize: 2000})
	sym := symKeyID(t, w)
	public := hexutil.Bytes(crypto.FromECDSAPub(&fixture.Key(t).PublicKey))
	for name, c := range map[string]struct {
		m    shh.NewMessage
		want error
	}{
		"no key":          {shh.NewMessage{Topic: topic}, shh.ErrSymAsym},
		"two keys":        {shh.NewMessage{SymKeyID: sym, PublicKey: public, Topic: topic}, shh.ErrSymAsym},
		"no topic":        {shh.NewMessage{SymKeyID: sym}, shh.ErrNoTopics},
		"unknown key":     {shh.NewMessage{SymKeyID: "x", Topic: topic}, shh.ErrNoKey},
		"unknown signer":  {shh.NewMessage{SymKeyID: sym, Topic: topic, Sig: "x"}, shh.ErrNoKey},
		"bad public key":  {shh.NewMessage{PublicKey: public[:64]}, shh.ErrInvalidPublicKey},
		"too little work": {shh.NewMessage{SymKeyID: sym, Topic: topic, PowTarget: 0.1}, shh.ErrTooLowPoW},
		"too much work":   {shh.NewMessage{SymKeyID: sym, Topic: topic, PowTarget: 1e300}, shh.ErrPoWNotReached},
		"too large":       {shh.NewMessage{SymKeyID: sym, Topic: topic, Payload: make([]byte, 2000)}, shh.ErrOversized},
		"unknown peer":    {shh.NewMessage{SymKeyID: sym, Topic: topic, TargetPeer: strings.Repeat("00", 64)}, nil},
	} {
		if _, err := w.Post(t.Context(), c.m); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if info := w.Info(); info.Messages != 0 || info.MinPow != shh.DefaultMinPoW || w.Version() != "6.0" {
		t.Errorf("info is %+v", info)
	}
	for size, ok := range map[int]bool{0: false, -1: false, 1: true, 10 << 20: true, 10<<20 + 1: false} {
		if err := w.SetMaxMessageSize(size); (err == nil) != ok {
			t.Errorf("message size of %d: %v", size, err)
		}
	}
}

func TestRefusedFilters(t *testing.T) {
	w := newWhisper(t, easy)
	sym := symKeyID(t, w)
	for name, c := range map[string]struct {
		criteria shh.Criteria
		want     error
	}{
		"no key":      {shh.Criteria{}, shh.ErrSymAsym},
		"two keys":    {shh.Criteria{SymKeyID: sym, PrivateKeyID: sym}, shh.ErrSymAsym},
		"unknown sym": {shh.Criteria{SymKeyID: "x"}, shh.ErrNoKey},
		"unknown key": {shh.Criteria{PrivateKeyID: "x"}, shh.ErrNoKey},
		"bad signer":  {shh.Criteria{SymKeyID: sym, Sig: make([]byte, 65)}, shh.ErrInvalidPublicKey},
	} {
		if _, err := w.NewMessageFilter(c.criteria); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := w.Subscribe(t.Context(), c.criteria); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	id := newFilter(t, w)
	if err := w.DeleteMessageFilter(id); err != nil {
		t.Error(err)
	}
	_, err := w.GetFilterMessages(id)
	for _, err := range []error{err, w.DeleteMessageFilter(id)} {
		if !errors.Is(err, shh.ErrNoFilter) {
			t.Errorf("error for a deleted filter: %v", err)
		}
	}
}

// TestFilters: each kind of criteria matches or rejects an envelope sent by this node.
func TestFilters(t *testing.T) {
	w := newWhisper(t, easy)
	if err := w.SetMinPoW(0); err != nil {
		t.Fatal(err)
	}
	sym, otherSym := symKeyID(t, w), w.NewSymKey()
	ids := map[string]string{}
	for name, c := range map[string]shh.Criteria{
		"all":       {SymKeyID: sym},
		"topic":     {SymKeyID: sym, Topics: []shh.Topic{otherTopic, topic}},
		"not topic": {SymKeyID: sym, Topics: []shh.Topic{otherTopic}},
		"work":      {SymKeyID: sym, MinPow: 0.0005},
		"more work": {SymKeyID: sym, MinPow: 1e9},
		"other key": {SymKeyID: otherSym},
		"same key":  {SymKeyID: symKeyID(t, w)},
		"P2P too":   {SymKeyID: sym, AllowP2P: true},
	} {
		id, err := w.NewMessageFilter(c)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	if err := w.Send(sealed(t, "text", 0.001, nil)); err != nil {
		t.Fatal(err)
	}
	for name, id := range ids {
		want := !slices.Contains([]string{"not topic", "more work", "other key"}, name)
		if got := texts(t, w, id); (len(got) == 1) != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestFilterIsBounded: a filter that no client polls keeps the newest messages.
func TestFilterIsBounded(t *testing.T) {
	w := newWhisper(t, easy)
	if err := w.SetMinPoW(0); err != nil {
		t.Fatal(err)
	}
	id := newFilter(t, w)
	feed, err := w.Subscribe(t.Context(), shh.Criteria{SymKeyID: symKeyID(t, w)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1100 {
		if err := w.Send(sealed(t, fmt.Sprint(i), 0, nil)); err != nil {
			t.Fatal(err)
		}
	}
	got := texts(t, w, id)
	if len(got) != 1024 || got[0] != "76" || got[1023] != "1099" || w.Missed() != 76+1100-uint64(len(feed)) {
		t.Errorf("%d are kept, %s to %s; %d missed, %d fed", len(got), got[0], got[len(got)-1], w.Missed(), len(feed))
	}
}

func TestPoolIsFull(t *testing.T) {
	w := newWhisper(t, shh.Config{MinPoW: 0.001, PoolEnvelopes: 2})
	if err := w.SetMinPoW(0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Send(sealed(t, "good", 0.5, nil)); err != nil {
			t.Fatal(err)
		}
	}
	cheap := sealed(t, "cheap", 0, nil)
	for cheap.PoW() > 0.1 { // possible by chance
		cheap = sealed(t, "cheap", 0, nil)
	}
	if err := w.Send(cheap); !errors.Is(err, shh.ErrPoolFull) {
		t.Errorf("got %v", err)
	}
	if n := w.Info().Messages; n != 2 {
		t.Errorf("%d envelopes", n)
	}
}

// TestShortLives: envelopes with a short TTL have a high PoW for little work. They don't
// evict envelopes with more work.
func TestShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, shh.Config{MinPoW: 0.01, PoolEnvelopes: 1})
		honest := exactly(t, 0.05, func(e *shh.Envelope) { e.TTL, e.Expiry = 600, e.Expiry+595 })
		if err := w.Send(honest); err != nil {
			t.Fatal(err)
		}
		flood := exactly(t, 1, func(e *shh.Envelope) { e.TTL, e.Expiry = 2, e.Expiry-3 })
		if flood.PoW() < 5*honest.PoW() {
			t.Fatalf("PoW %v must be far above %v", flood.PoW(), honest.PoW())
		}
		if err := w.Send(flood); !errors.Is(err, shh.ErrPoolFull) {
			t.Errorf("got %v", err)
		}
	})
}

// TestPostLater: the work for an actor's message is done outside the actor, which receives
// the result.
func TestPostLater(t *testing.T) {
	w := newWhisper(t, easy)
	id := newFilter(t, w)
	system := actor.NewActorSystem(actor.WithLoggerFactory(quiet))
	defer system.Shutdown()
	posted := make(chan *shh.Posted, 2)
	pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			for _, key := range []string{symKeyID(t, w), ""} {
				w.PostLater(t.Context(), system.Root, ctx.Self(), shh.NewMessage{SymKeyID: key, Topic: topic, Payload: []byte("later"), PowTime: 60})
			}
		case *shh.Posted:
			posted <- msg
		}
	}))
	for range 2 {
		got := <-posted
		if good := got.Message.SymKeyID != ""; good != (got.Err == nil) || good == (got.Hash == [32]byte{}) {
			t.Errorf("posted: %+v", got)
		}
	}
	if got := texts(t, w, id); len(got) != 1 || got[0] != "later" {
		t.Errorf("got %q", got)
	}
	if err := system.Root.StopFuture(pid).Wait(); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	w := shh.New(easy)
	feed, err := w.Subscribe(t.Context(), shh.Criteria{SymKeyID: symKeyID(t, w)})
	if err != nil {
		t.Fatal(err)
	}
	post(t, w, topic, "text")
	w.Close()
	w.Close()
	<-feed
	if m, open := <-feed; open {
		t.Errorf("message after Close: %+v", m)
	}
	if err := w.Send(sealed(t, "late", 0.01, nil)); !errors.Is(err, shh.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if info := w.Info(); info.Messages != 0 {
		t.Errorf("Info after Close: %+v", info)
	}
}

func TestClosedUnderALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		p := remote(t, w, status())
		w.Close()
		send(t, p.B, bundle(t, sealed(t, "late", 0.01, nil)))
		if c := ended(t, p); c.Reason != protocols.DiscQuitting || !errors.Is(c, shh.ErrClosed) {
			t.Errorf("ended with %v", c)
		}
	})
}

// TestJSON: messages and criteria have the JSON form of the old calls.
func TestJSON(t *testing.T) {
	m := shh.Message{Sig: []byte{1}, TTL: 2, Timestamp: 3, Topic: topic, Payload: []byte("p"), Padding: []byte("q"), PoW: 0.5, Hash: []byte{4}}
	got, err := json.Marshal(m)
	want := `{"sig":"0x01","ttl":2,"timestamp":3,"topic":"0xcafe0007","payload":"0x70","padding":"0x71","pow":0.5,"hash":"0x04"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	var c shh.Criteria
	if err := json.Unmarshal([]byte(`{"symKeyID":"x","minPow":0.2,"topics":["0xcafe0007"],"allowP2P":true}`), &c); err != nil || c.Topics[0] != topic || c.SymKeyID != "x" || !c.AllowP2P {
		t.Errorf("got %+v, %v", c, err)
	}
	if bloom, err := json.Marshal(topic.Bloom()); err != nil || len(bloom) != 2+2+128 {
		t.Errorf("bloom %s, %v", bloom, err)
	}
}
