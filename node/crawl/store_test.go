package crawl

import (
	"database/sql"
	"errors"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

func newStore(t testing.TB, path string) *store {
	t.Helper()
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func (s *store) put(t testing.TB, entries ...record) {
	t.Helper()
	if err := s.within(func(tx *sql.Tx) error {
		for _, e := range entries {
			if err := e.write(tx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestStoreRemembers: the nodes that a crawl writes are the seeds of the next one.
func TestStoreRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?#%", "crawl.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	signed := record4(t, "192.0.2.1", ethEntry{ForkID: ForkID{Hash: [4]byte{0xc3, 0x76, 0xcf, 0x8b}, Next: math.MaxUint64}})
	bare := enode.NewV4(&fixture.Key(t).PublicKey, netip.MustParseAddr("2001:db8::1").AsSlice(), 30303, 30304)
	s := newStore(t, path)
	s.put(t,
		finding{node: bare, source: "v4", at: start, news: true},
		finding{node: signed, source: "v5", at: start, news: true},
		finding{node: signed, source: "v4", at: start.Add(time.Hour)},
		report{node: signed, at: start.Add(time.Minute), outcome: Answered, hello: &wire.Hello{Name: "Geth/v1.17.10-stable/linux"}},
	)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	seeds, err := newStore(t, path).seeds(10)
	if err != nil || len(seeds) != 2 {
		t.Fatalf("got %v, %v", seeds, err)
	}
	if a := seeds[0]; a.node.String() != signed.String() || !a.alive || !a.lastTry.Equal(start.Add(time.Minute)) {
		t.Errorf("got %+v, want the node that answered", a)
	}
	if b := seeds[1]; b.node.URLv4() != bare.URLv4() || b.alive || !b.lastTry.IsZero() {
		t.Errorf("got %+v, want the node without a record", b)
	}
}

// record4 makes a node with a record that has an address.
func record4(t testing.TB, ip string, entries ...enr.Entry) *enode.Node {
	return signedNode(t, fixture.Key(t), append(entries, enr.IPv4Addr(netip.MustParseAddr(ip)), enr.TCP(30303), enr.UDP(30303))...)
}

func TestStoreRefusesOthersFiles(t *testing.T) {
	dir := t.TempDir()
	notSQLite := filepath.Join(dir, "text")
	if err := os.WriteFile(notSQLite, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign, later := filepath.Join(dir, "foreign.db"), filepath.Join(dir, "later.db")
	for path, statement := range map[string]string{
		foreign: "PRAGMA application_id = 1", later: "PRAGMA user_version = 99",
	} {
		s := newStore(t, path)
		if _, err := s.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		notSQLite: "not a database", foreign: "another program", later: "version 99", filepath.Join(dir, "no", "dir"): "unable to open",
	} {
		if s, err := openStore(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", path, s, err, want)
		}
	}
}

// TestHostileHello: any Hello can be stored, and the stored text is bounded.
func TestHostileHello(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "crawl.db"))
	n := record4(t, "192.0.2.1")
	hello := &wire.Hello{Version: math.MaxUint64, Name: strings.Repeat("\x1b[2J'; DROP TABLE nodes; --\u202e", 70)}
	for i := range 500 {
		hello.Caps = append(hello.Caps, wire.Cap{Name: "\x00x" + strings.Repeat("y", i), Version: math.MaxUint})
	}
	s.put(t, finding{node: n, source: "v4", at: start, news: true}, report{node: n, at: start, outcome: Answered, hello: hello})
	var (
		client string
		caps   int
		worst  int
	)
	if err := s.db.QueryRow(`SELECT client FROM nodes`).Scan(&client); err != nil || strings.ContainsAny(client, "\x1b\u202e") || len(client) > maxName+4 {
		t.Errorf("client %q, %v", client, err)
	}
	if err := s.db.QueryRow(`SELECT count(*), max(length(name)) FROM capabilities`).Scan(&caps, &worst); err != nil || caps > maxCaps || worst > maxWord+1 {
		t.Errorf("%d capabilities, the longest %d characters, %v", caps, worst, err)
	}
}

func TestReportOf(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.1:30303")
	n := record4(t, "192.0.2.1")
	for _, tt := range []struct {
		name   string
		result node.PingResult
		err    error
		want   Outcome
		alive  bool
	}{
		{"pong", node.PingResult{Addr: addr, Connect: 1, RTT: 1, Hello: &wire.Hello{}}, nil, Answered, true},
		{"refused in place of the Hello", node.PingResult{Addr: addr, Connect: 1}, &wire.RemoteDisconnect{Reason: wire.DiscTooManyPeers}, Refused, true},
		{"closed after the Hello", node.PingResult{Addr: addr, Connect: 1, Hello: &wire.Hello{}}, io.EOF, Closed, true},
		{"closed at once", node.PingResult{Addr: addr, Connect: 1}, io.ErrUnexpectedEOF, Closed, false},
		{"garbage", node.PingResult{Addr: addr, Connect: 1}, errors.Join(wire.ErrBadHello, wire.DiscProtocolError), Breach, false},
		{"no answer", node.PingResult{Connect: 1}, os.ErrDeadlineExceeded, Timeout, false},
		{"no address", node.PingResult{}, node.ErrNoAddress, NoAddress, false},
		{"strange", node.PingResult{}, errors.New("odd\x1b[31m"), Failed, false},
	} {
		r := reportOf(n, start, tt.result, tt.err)
		if r.outcome != tt.want || r.alive() != tt.alive || (r.err == "") != (tt.err == nil) || strings.Contains(r.err, "\x1b") {
			t.Errorf("%s: %+v", tt.name, r)
		}
		if (r.connect != 0) != tt.result.Addr.IsValid() {
			t.Errorf("%s: time to connect %v", tt.name, r.connect)
		}
	}
}
