package pool_test

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// TestDumpOfTestChain compares the dump of go-ethereum's test chain with its accounts.
func TestDumpOfTestChain(t *testing.T) {
	path := ethtest.Chain(t, "headstate.json")
	d, err := pool.OpenDump(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want state.Dump
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	something := 0
	for addr, a := range want.Accounts {
		nonce, balance, ok := d.Account(common.HexToAddress(addr))
		if nonce != a.Nonce || balance.Dec() != a.Balance || !ok {
			t.Errorf("%s: nonce %d, balance %s, want %d, %s", addr, nonce, balance.Dec(), a.Nonce, a.Balance)
		}
		if a.Nonce != 0 || a.Balance != "0" {
			something++
		}
	}
	if d.Len() != something || something == 0 {
		t.Errorf("%d accounts have something, want %d", d.Len(), something)
	}
	if nonce, balance, ok := d.Account(common.Address{0xfe}); nonce != 0 || !balance.IsZero() || !ok {
		t.Errorf("an account that is missing has nonce %d and %v wei, known %v", nonce, &balance, ok)
	}
}

func TestDumpForms(t *testing.T) {
	const a, b = "0x00000000000000000000000000000000000000aa", "0x00000000000000000000000000000000000000bb"
	max := new(uint256.Int).SetAllOne()
	for name, text := range map[string]string{
		"collected": `{"root": "00", "accounts": {"` + b + `": {"balance": "0x7", "nonce": 18446744073709551615, "code": "0x00", "storage": {"x": "y"}},
			"` + a + `": {"balance": "` + max.Dec() + `", "nonce": 0, "address": null}}, "next": null}`,
		"one a line": `{"root": "00"}` + "\n" + `{"balance": "7", "nonce": 18446744073709551615, "storage": {"x": {"y": [1, {}]}}, "address": "` + b + `"}` + "\n" +
			`{"balance": "` + max.Dec() + `", "nonce": 0, "address": "` + a + `", "key": "0x12"}`,
	} {
		d, err := pool.ReadDump(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		nonce, balance, _ := d.Account(common.HexToAddress(a))
		if nonce != 0 || !balance.Eq(max) {
			t.Errorf("%s: %s has nonce %d, balance %v", name, a, nonce, &balance)
		}
		nonce, balance, _ = d.Account(common.HexToAddress(b))
		if nonce != 1<<64-1 || !balance.Eq(uint256.NewInt(7)) {
			t.Errorf("%s: %s has nonce %d, balance %v", name, b, nonce, &balance)
		}
	}
}

// TestNoDump: each is an error that names what is wrong. A file that is no dump must not count as
// a state in which no account has anything.
func TestNoDump(t *testing.T) {
	const a = `"0x00000000000000000000000000000000000000aa"`
	for text, want := range map[string]string{
		``:                   "no account",
		`{"config": {}}`:     "no account",
		`{"accounts": {}}`:   "no account",
		`[]`:                 "want an object",
		`{"accounts": []}`:   "want an object",
		`{"accounts": {` + a: "unexpected EOF",
		`{"accounts": {` + a + `: {"nonce": 1}}}`:                                      "no balance",
		`{"accounts": {"pre(0x12)": {"balance": "1"}}}`:                                "preimages",
		`{"balance": "1", "key": "0x12"}`:                                              "preimages",
		`{"accounts": {` + a + `: {"balance": "one"}}}`:                                "balance",
		`{"accounts": {` + a + `: {"balance": "-1"}}}`:                                 "balance",
		`{"accounts": {` + a + `: {"balance": "1", "nonce": 1.5}}}`:                    "nonce",
		`{"accounts": {` + a + `: {"balance": "1", "nonce": -1}}}`:                     "nonce",
		`{"balance": "1", "address": ` + a + `}{"balance": "2", "address": ` + a + `}`: "twice",
	} {
		if d, err := pool.ReadDump(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", text, d, err, want)
		}
	}
	if _, err := pool.OpenDump(ethtest.Chain(t, "genesis.json")); err == nil || !strings.Contains(err.Error(), "genesis.json") {
		t.Errorf("a genesis file: %v", err)
	}
}

// endless is a dump with many accounts, each with a lot of storage.
type endless struct {
	accounts int
	rest     string
}

func (e *endless) Read(b []byte) (int, error) {
	if e.rest == "" && e.accounts > 0 {
		e.accounts--
		e.rest = `{"balance": "1", "storage": {` + strings.Repeat(`"k": "v", `, 10) + `"k": "v"}, "address": "` + address(e.accounts).Hex() + `"}`
	}
	if e.rest == "" {
		return strings.NewReader("").Read(b)
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestDumpIsCompact: an account takes 44 bytes, whatever its code and storage.
func TestDumpIsCompact(t *testing.T) {
	const count = 5000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d, err := pool.ReadDump(&endless{accounts: count})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := (after.HeapAlloc - before.HeapAlloc) / count; d.Len() != count || got > 50 {
		t.Errorf("%d accounts take %d bytes each", d.Len(), got)
	}
	runtime.KeepAlive(d)
}

func FuzzDump(f *testing.F) {
	f.Add(`{"accounts": {"0x00000000000000000000000000000000000000aa": {"balance": "1", "nonce": 2, "storage": {}}}}`)
	f.Add(`{"root": "0x"}{"balance": "1", "address": "0x00000000000000000000000000000000000000aa"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := pool.ReadDump(strings.NewReader(text)); err == nil && d == nil {
			t.Error("neither a dump nor an error")
		}
	})
}
