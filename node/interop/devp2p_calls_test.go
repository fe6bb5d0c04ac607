//go:build conformance

package interop_test

import (
	"bytes"
	"crypto/rand"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// punchCalls makes requests of the hole punching protocol: calls to nodes that the asked node
// doesn't know, and garbage.
func punchCalls(t *testing.T) (requests [][]byte) {
	t.Helper()
	random := func(n int) []byte {
		b := make([]byte, n)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	for range 64 {
		call, err := rlp.EncodeToBytes([][]byte{random(32), random(12), make([]byte, 24)})
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, append([]byte{2}, call...), random(100), append([]byte{3}, random(80)...),
			append([]byte{1}, bytes.Repeat([]byte{0xc1}, 200)...), random(1000), nil)
	}
	return requests
}

// asking runs this number of sessions that send a node requests of hole punching, each as fast
// as it gets answers, until stop is called. stop returns how many requests had an answer and
// how many had none.
func asking(t *testing.T, url string, sessions int) (stop func() (answers, failures int64)) {
	t.Helper()
	to, err := enode.Parse(enode.ValidSchemes, url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := enode.OpenDB("")
	if err != nil {
		t.Fatal(err)
	}
	var (
		requests       = punchCalls(t)
		over           atomic.Bool
		good, bad      atomic.Int64
		running, ended sync.WaitGroup
	)
	for range sessions {
		key := fixture.Key(t)
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		// The record has no address, so that the caller takes no place in the node's table: the
		// suites expect it to be filled with their own nodes.
		v5, err := discover.ListenV5(conn, enode.NewLocalNode(db, key), discover.Config{PrivateKey: key})
		if err != nil {
			t.Fatal(err)
		}
		running.Add(1)
		ended.Add(1)
		go func() {
			defer ended.Done()
			defer v5.Close()
			for i := 0; !over.Load(); i++ {
				if _, err := v5.TalkRequest(to, "punch/1", requests[i%len(requests)]); err == nil {
					good.Add(1)
				} else {
					bad.Add(1)
				}
				if i == 0 {
					running.Done()
				}
			}
		}()
	}
	running.Wait()
	return func() (answers, failures int64) {
		over.Store(true)
		ended.Wait()
		db.Close()
		return good.Load(), bad.Load()
	}
}

// TestConformanceDiscoveryAmongCalls: the suites, which wait 0.3 s for an answer, pass while
// other nodes make the node relay calls as fast as it can.
func TestConformanceDiscoveryAmongCalls(t *testing.T) {
	for _, suite := range discoverySuites {
		t.Run(suite.name, func(t *testing.T) {
			suite.run(t, func(url string) {
				stop := asking(t, url, 32)
				t.Cleanup(func() {
					answers, failures := stop()
					t.Logf("%d calls had an answer, %d had none", answers, failures)
					if answers < 1000 || failures > answers/100 {
						t.Error("too few calls had an answer, so the test shows nothing")
					}
				})
			}, "--punch.private")
		})
	}
}
