//go:build conformance

package shh_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// original is go-ethereum v1.9.20's Whisper in a separate process, controlled by JSON-RPC.
type original struct {
	t     *testing.T
	mu    sync.Mutex
	in    *json.Encoder
	out   *json.Decoder
	id    int
	enode string
}

// TestConformance compares this package with the original.
func TestConformance(t *testing.T) {
	originalBinary = filepath.Join(t.TempDir(), "interop")
	build := exec.Command("go", "build", "-ldflags=-checklinkname=0", "-o", originalBinary, ".")
	build.Dir = "interop"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Run("Messages", testMessages)
	t.Run("Demands", testDemands)
	t.Run("TTL", testTTL)
	t.Run("P2P", testP2P)
	t.Run("Verdicts", testVerdicts)
	t.Run("Commands", testCommands)
	t.Run("Client", testClient)
}

// originalBinary is the path of the original's binary, which TestConformance builds.
var originalBinary string

func startOriginal(t *testing.T) *original {
	t.Helper()
	cmd := exec.Command(originalBinary, "node")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // ends the process
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	o := &original{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out)}
	o.call(&o.enode, "test_enode")
	return o
}

// call makes one call and decodes its result into result, unless that is nil.
func (o *original) call(result any, method string, params ...any) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.id++
	if params == nil {
		params = []any{}
	}
	if err := o.in.Encode(map[string]any{"jsonrpc": "2.0", "id": o.id, "method": method, "params": params}); err != nil {
		o.t.Fatal(err)
	}
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := o.out.Decode(&answer); err != nil {
		o.t.Fatal(err)
	}
	if answer.Error != nil {
		o.t.Fatalf("%s: %s", method, answer.Error.Message)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			o.t.Fatalf("%s: %v in %s", method, err, answer.Result)
		}
	}
}

// pooled reports whether the original has an envelope.
func (o *original) pooled(hash common.Hash) (yes bool) {
	o.t.Helper()
	o.call(&yes, "test_pooled", hash)
	return yes
}

// inject puts an envelope into the original's pool.
func (o *original) inject(e *shh.Envelope) {
	o.t.Helper()
	o.call(nil, "test_inject", hexutil.Bytes(e.Encode()))
}

// filter makes a filter for the tests' key.
func (o *original) filter(topics ...shh.Topic) (id string) {
	o.t.Helper()
	o.call(&id, "shh_newMessageFilter", shh.Criteria{SymKeyID: o.symKey(), Topics: topics, AllowP2P: true})
	return id
}

func (o *original) symKey() (id string) {
	o.t.Helper()
	o.call(&id, "shh_addSymKey", symKey)
	return id
}

// next waits for one message of a filter.
func (o *original) next(filter string) (m *shh.Message) {
	o.t.Helper()
	actortest.Eventually(o.t, "a message at the original", func() bool {
		var messages []*shh.Message
		o.call(&messages, "shh_getFilterMessages", filter)
		if len(messages) > 1 {
			o.t.Fatalf("filter returned %d messages, want one", len(messages))
		}
		if len(messages) == 1 {
			m = messages[0]
		}
		return m != nil
	})
	return m
}

// run runs a node with one protocol on loopback until the test's end.
func run(t *testing.T, spec protocols.Spec) *node.Node {
	t.Helper()
	return nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
}

// together links a node of ours and an original. weDial says which of them dials.
func together(t *testing.T, cfg shh.Config, weDial bool) (*shh.Whisper, *original, *node.Node) {
	t.Helper()
	o, w := startOriginal(t), newWhisper(t, cfg)
	n := run(t, w.Spec())
	if weDial {
		if err := n.AddPeer(enode.MustParse(o.enode)); err != nil {
			t.Fatal(err)
		}
	} else {
		o.call(nil, "test_dial", n.Self().URLv4())
	}
	// A link is up before the Whisper handshake on it is over.
	actortest.Eventually(t, "the Whisper handshake at both ends", func() bool {
		var known int
		o.call(&known, "test_peers")
		peers := n.Peers()
		if known != 1 || len(peers) != 1 {
			return false
		}
		_, ours := peers[0].Protocols["shh"].(shh.PeerInfo)
		return ours
	})
	return w, o, n
}
