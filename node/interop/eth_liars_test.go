//go:build conformance && linux

package interop_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/wire"
)

// The environment of a process of liars: what they do, and the URL of the node.
const lieVariable, nodeVariable = "TROUPE_LIE", "TROUPE_NODE"

// liars is how many there are, and pause after what time they come back. A public address may connect twice a
// minute.
const (
	liars = 50
	pause = time.Second
)

// lies are what liars send again and again, by the code on the wire.
var lies = map[string]struct {
	code uint64
	msg  any
}{
	"unasked answers":              {0x16, &eth.BlockBodies{ID: 1 << 40, Bodies: rlp.EmptyList}},
	"10 MiB of empty items":        {0x16, &eth.BlockBodies{ID: 1 << 40, Bodies: tenMiB()}},
	"10 MiB of empty transactions": {0x12, rlp.RawValue(tenMiB())},
}

// tenMiB returns a list of items of one byte each.
func tenMiB() []byte {
	b := bytes.Repeat([]byte{0xc0}, serve.MaxMessage-32)
	copy(b, serve.AppendListHead(nil, len(b)-4))
	return b
}

// BenchmarkLiars measures how many answers an honest peer gets in a second, alone and beside 50 liars, and the
// most memory that the node takes. The node has one core, and all remotes have the other, where the honest one
// goes first.
func BenchmarkLiars(b *testing.B) {
	for _, lie := range []string{"", "unasked answers", "10 MiB of empty items", "10 MiB of empty transactions"} {
		b.Run(cmp.Or(lie, "alone"), func(b *testing.B) {
			url, pid := startWithChain(b)
			pin(b, pid, "0")
			pin(b, os.Getpid(), "1")
			defer pin(b, os.Getpid(), "0-1")
			link := linkTo(b, url)
			hashes := hashesOf(b, link)
			if lie != "" {
				ctx, cancel := context.WithCancel(b.Context())
				process := exec.CommandContext(ctx, "nice", "-n", "19", os.Args[0], "-test.run", "^TestLiarProcess$", "-test.timeout", "1m")
				process.Env = append(os.Environ(), lieVariable+"="+lie, nodeVariable+"="+url)
				if err := process.Start(); err != nil {
					b.Fatal(err)
				}
				defer func() { cancel(); _ = process.Wait() }() // it is killed
				<-time.After(3 * time.Second)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(rateOf(b, func() error { _, err := headers(b, link, 192); return err }), "headers/s")
			b.ReportMetric(rateOf(b, func() error {
				_, err := protocols.Call[eth.BlockBodies](b.Context(), link, &eth.GetBlockBodies{Hashes: hashes[100:228]})
				return err
			}), "bodies/s")
			b.ReportMetric(peakOf(b, pid), "peak-MiB")
		})
	}
}

// TestLiarProcess runs the liars of a benchmark, in a process of their own, until that is killed.
func TestLiarProcess(t *testing.T) {
	lie, ok := lies[os.Getenv(lieVariable)]
	if !ok {
		t.Skip("for BenchmarkLiars alone")
	}
	network, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	genesis := network.Genesis.Hash()
	status := &eth.Status{
		Version: 70, NetworkID: network.ID, Genesis: genesis, LatestHash: genesis,
		ForkID: forkid.NewID(network.Config, network.Genesis, 600, 1<<40),
	}
	var all sync.WaitGroup
	for i := range liars {
		all.Go(func() {
			for n := 0; t.Context().Err() == nil; n++ {
				lieFrom(t.Context(), os.Getenv(nodeVariable), netip.AddrFrom4([4]byte{127, byte(1 + n/256), byte(i), byte(n)}), status, lie.code, lie.msg)
				<-time.After(pause)
			}
		})
	}
	all.Wait()
}

// rateOf returns how many answers came in a second.
func rateOf(b *testing.B, ask func() error) float64 {
	begin, n := time.Now(), 0
	for ; time.Since(begin) < 4*time.Second; n++ {
		if err := ask(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(begin).Seconds()
}

// lieFrom connects to a node from an address, and sends a message up to a thousand times a second until the
// node closes the link.
func lieFrom(ctx context.Context, url string, from netip.Addr, status *eth.Status, code uint64, msg any) {
	self := enode.MustParse(url)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("%v:%d", self.IP(), self.TCP()))
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	key, err := crypto.GenerateKey()
	if err != nil {
		return
	}
	hello := &wire.Hello{
		Version: wire.BaseVersion, Name: "liar", Caps: []wire.Cap{{Name: "eth", Version: 70}},
		ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	}
	session, err := wire.Dial(conn, key, self.Pubkey(), hello, wire.Options{})
	if err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // it ends with the connection
	err = write(conn, session, 0x10, status)
	for err == nil {
		err = write(conn, session, code, msg)
		<-time.After(time.Millisecond)
	}
}

func write(conn net.Conn, s *wire.Session, code uint64, msg any) error {
	payload, err := rlp.EncodeToBytes(msg)
	if err != nil {
		return err
	}
	frame, err := wire.AppendCompressed(nil, code, payload)
	if err == nil {
		err = s.Encoder.Seal(frame)
	}
	if err == nil {
		_, err = conn.Write(frame)
	}
	return err
}

// pin binds all threads of a process to cores.
func pin(b *testing.B, pid int, cores string) {
	if out, err := exec.Command("taskset", "-a", "-c", "-p", cores, strconv.Itoa(pid)).CombinedOutput(); err != nil {
		b.Fatalf("taskset: %v: %s", err, out)
	}
}

// peakOf returns the most resident memory that a process had, in MiB, see proc(5).
func peakOf(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}
