package hostile_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// BenchmarkBombs measures what remotes that send decompression bombs take from an honest link.
// The node has one core, all remotes share the other one. An honest remote keeps four echoes in
// flight, first alone, then while the remotes attack another node on the core of its own, then while they
// attack its node. The figures are its echoes a second, their ratios to those alone, and the longest gap
// between two answers each time. The first two are the control: gaps in them are the machine's.
//
//	go test -run '^$' -bench Bombs -benchtime 1x ./node/hostile
func BenchmarkBombs(b *testing.B) {
	const span = 5 * time.Second
	pin(b, 1, os.Getpid())
	for _, kind := range bombs() {
		for _, attackers := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, attackers), func(b *testing.B) {
				for b.Loop() {
					url, endNode := startChild(b, child{Node: true})
					other, endOther := startChild(b, child{Node: true})
					honest := dialURL(b, url)
					honest.echo(b, time.Second) // the links warm up
					alone, gapAlone := honest.echo(b, span)
					_, end := startChild(b, child{URL: other, Kind: kind.name, Attackers: attackers})
					beside, gapBeside := honest.echo(b, span)
					end()
					endOther()
					_, end = startChild(b, child{URL: url, Kind: kind.name, Attackers: attackers})
					under, gap := honest.echo(b, span)
					end()
					endNode()
					ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
					b.ReportMetric(alone, "alone/s")
					b.ReportMetric(ms(gapAlone), "alone-gap-ms")
					b.ReportMetric(beside/alone, "beside-ratio")
					b.ReportMetric(ms(gapBeside), "beside-gap-ms")
					b.ReportMetric(under/alone, "ratio")
					b.ReportMetric(ms(gap), "gap-ms")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// bomb is a kind of message that costs a node more than it costs the remote.
type bomb struct {
	name    string
	code    uint64
	payload func() []byte // compressed
}

func bombs() []bomb {
	zeros := func(msg func(size int) any, size int) func() []byte {
		return func() []byte {
			payload, err := rlp.EncodeToBytes(msg(size))
			if err != nil {
				panic(err)
			}
			block, err := wire.Compress(payload)
			if err != nil {
				panic(err)
			}
			return block
		}
	}
	data := func(size int) any { return &bench.Data{Payload: make([]byte, size)} }
	echo := func(size int) any { return &bench.Echo{Payload: make([]byte, size)} }
	const most = wire.MaxPayload - 16
	return []bomb{
		{"consumed", firstCode, zeros(data, most)},
		{"echoed", firstCode + 1, zeros(echo, bench.MaxSize)},
		{"refused", firstCode + 1, zeros(echo, most)},
		{"ping", wire.PingMsg, zeros(data, most)},
	}
}

// childVar makes the test binary run as a child: the node, or the attackers. Its value is a child
// as JSON.
const childVar = "TROUPE_HOSTILE_CHILD"

type child struct {
	Node      bool // it is the node; otherwise the attackers
	URL       string
	Kind      string
	Attackers int
}

func init() {
	spec := os.Getenv(childVar)
	if spec == "" {
		return
	}
	var c child
	err := json.Unmarshal([]byte(spec), &c)
	if err == nil {
		err = c.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run lasts until standard input ends.
func (c child) run() error {
	url := "attacking"
	if c.Node {
		key, err := crypto.GenerateKey()
		if err != nil {
			return err
		}
		n, err := node.New(node.Config{
			Key: key, Name: "victim", Listen: []netip.AddrPort{nodetest.Loopback}, Specs: []protocols.Spec{bench.Spec()},
			MaxPeers: 50, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		if err := n.Start(context.Background()); err != nil {
			return err
		}
		url = n.Self().URLv4()
	} else {
		to, err := enode.Parse(enode.ValidSchemes, c.URL)
		if err != nil {
			return err
		}
		kind := bombs()[slices.IndexFunc(bombs(), func(b bomb) bool { return b.name == c.Kind })]
		block := kind.payload()
		for range c.Attackers {
			go attackForEver(to, kind.code, block)
		}
	}
	fmt.Println(url)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// attackForEver sends one message again and again, and connects again when the node ends the link.
func attackForEver(to *enode.Node, code uint64, block []byte) {
	for {
		if c, err := dial(to); err == nil {
			go io.Copy(io.Discard, c.Conn)
			for err == nil {
				var frame []byte
				if frame, err = wire.AppendFrame(c.frame[:0], code, block); err == nil {
					c.frame = frame
					if err = c.Encoder.Seal(frame); err == nil {
						_, err = c.Conn.Write(frame)
					}
				}
			}
			c.Conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// startChild runs a child, and returns the first line that it prints. The caller ends it with end.
func startChild(b *testing.B, c child) (line string, end func()) {
	b.Helper()
	spec, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	cpu := 1
	args := []string{"nice", "-n", "19", os.Args[0]}
	if c.Node {
		cpu, args = 0, args[3:]
	}
	if _, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{"taskset", "-c", strconv.Itoa(cpu)}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVar+"="+string(spec), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	end = func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line), end
}

// pin keeps all threads of a process on one core, where the system can.
func pin(b *testing.B, cpu, pid int) {
	if _, err := exec.LookPath("taskset"); err != nil {
		b.Log("processes are not pinned: ", err)
		return
	}
	if out, err := exec.Command("taskset", "-acp", strconv.Itoa(cpu), strconv.Itoa(pid)).CombinedOutput(); err != nil {
		b.Logf("taskset: %v: %s", err, out)
	}
}

// honest is a remote that does nothing wrong.
type honest struct {
	net.Conn
	*wire.Session
	frame []byte
}

func dial(to *enode.Node) (*honest, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	at, _ := to.TCPEndpoint()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		return nil, err
	}
	hello := &wire.Hello{
		Version: wire.BaseVersion, Name: "remote", Caps: []wire.Cap{benchCap}, ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	}
	s, err := wire.Dial(conn, key, to.Pubkey(), hello, wire.Options{})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &honest{Conn: conn, Session: s}, nil
}

func dialURL(b *testing.B, url string) *honest {
	b.Helper()
	to, err := enode.Parse(enode.ValidSchemes, url)
	if err != nil {
		b.Fatal(err)
	}
	h, err := dial(to)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Conn.Close() })
	return h
}

// echo keeps four echoes in flight and returns how many are answered a second, and the longest
// time without an answer.
func (h *honest) echo(b *testing.B, span time.Duration) (rate float64, gap time.Duration) {
	b.Helper()
	const inFlight = 4
	payload, err := rlp.EncodeToBytes(&bench.Echo{ID: 1, Payload: make([]byte, 32)})
	if err != nil {
		b.Fatal(err)
	}
	ask := func(times int) {
		h.frame = h.frame[:0]
		for range times {
			if h.frame, err = wire.AppendCompressed(h.frame, firstCode+1, payload); err != nil {
				b.Fatal(err)
			}
		}
		if err := h.Encoder.Seal(h.frame); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Conn.Write(h.frame); err != nil {
			b.Fatal(err)
		}
	}
	begin := time.Now()
	last, answers := begin, 0
	buf := make([]byte, 64<<10)
	ask(inFlight)
	for due := inFlight; due > 0; {
		n, err := h.Conn.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		h.Rest = append(h.Rest, buf[:n]...)
		got := 0
		for {
			frame, n, _, err := h.Decoder.Next(h.Rest)
			if err != nil {
				b.Fatal(err)
			}
			if n == 0 {
				break
			}
			if code, _, _ := wire.ParseMessage(frame); code == firstCode+2 {
				got++
			}
			h.Rest = h.Rest[n:]
		}
		if got == 0 {
			continue
		}
		gap, last = max(gap, now.Sub(last)), now
		answers += got
		if due -= got; now.Sub(begin) < span {
			due += got
			ask(got)
		}
	}
	return float64(answers) / last.Sub(begin).Seconds(), gap
}
