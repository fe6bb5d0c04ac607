package record

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/punch"
)

func TestNATStatusRoundTrip(t *testing.T) {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	box := netip.MustParseAddr("192.168.1.1")
	for _, want := range []NATStatus{
		{},
		{HolePunching: &punch.State{Calls: map[string]uint64{}, Rung: map[string]uint64{}}},
		{HolePunching: &punch.State{
			Belief: punch.Open, Observed: netip.MustParseAddrPort("1.2.3.4:1"), TCP: netip.MustParseAddrPort("[2a00::1]:2"), Relays: []enode.ID{{1}},
			Calls: map[string]uint64{"linked": 1}, Rung: map[string]uint64{"refused": 2}, Relayed: 3, Refused: 4,
		}},
		{Status: nat.Status{State: nat.Searching, Since: at}},
		{Status: nat.Status{
			State: nat.Degraded, Since: at, Method: nat.MethodPCP, Router: nat.Router{Name: "box", Addr: box, Local: box.Next()},
			External: nat.ExternalAddress{IP: netip.MustParseAddr("1.2.3.4"), TCPPort: 1, Method: nat.MethodPCP, Router: "box", Confidence: nat.Proved},
			Ports: []nat.PortStatus{
				{Protocol: "TCP", Internal: 30303, External: 1, Ends: at.Add(time.Hour), Proved: true},
				{Protocol: "UDP", Internal: 30303, LastError: "no"},
			},
			Problems: []string{"no"}, NextTry: at,
		}},
		{Status: nat.Status{State: nat.DoubleNAT, Since: at, External: nat.ExternalAddress{Confidence: nat.Configured}}, HolePunching: &punch.State{Belief: punch.AddressDependent}},
	} {
		dir := t.TempDir()
		if !statusIn(dir).writeStatus(want) {
			t.Fatal("the status was not written")
		}
		got, err := ReadStatus(dir)
		if time.Since(got.Written) > time.Minute {
			t.Errorf("written at %v", got.Written)
		}
		got.Written = time.Time{}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
		if err := errors.Join(removeStatus(dir), removeStatus(dir)); err != nil {
			t.Error(err)
		}
		if _, err := ReadStatus(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the file was removed: %v, want %v", err, fs.ErrNotExist)
		}
	}
}

func TestInvalidNATStatus(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"", "[]", `{"status": {"state": "asleep"}}`, `{"status": {"external": {"confidence": "sure"}}}`,
		`{"hole_punching": {"nat": "round"}}`} {
		if err := os.WriteFile(filepath.Join(dir, natFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := ReadStatus(dir); err == nil {
			t.Errorf("%q is accepted as %+v", text, s)
		}
	}
	if statusIn(filepath.Join(dir, "nowhere")).writeStatus(NATStatus{}) {
		t.Error("writing into a missing directory succeeds")
	}
}

// statusIn is a record whose status is in a directory.
func statusIn(dir string) *Record {
	log := slog.New(slog.DiscardHandler)
	return &Record{
		Config:     Config{DataDir: dir, Logger: log},
		statusFile: datadir.File{Path: filepath.Join(dir, natFile), Content: "NAT status", Logger: log},
	}
}
