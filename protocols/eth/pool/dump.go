package pool

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Dump is the state of a dump file. It has 44 bytes for each account that has something. An account
// that is missing has nothing.
type Dump struct {
	accounts []dumped                        // by address
	rich     map[common.Address]*uint256.Int // balances of more than 16 bytes
}

// dumped is an account of a dump. Its fields are bytes, so that it needs no padding.
type dumped struct {
	addr    common.Address
	nonce   [8]byte
	balance [16]byte // big endian
}

// OpenDump reads a dump file.
func OpenDump(path string) (*Dump, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := ReadDump(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// ReadDump reads a dump in one of go-ethereum's forms: an object with all accounts by address, or
// an object for each account ('geth dump', with and without --iterative). It is read as a stream;
// code and storage are passed over.
func ReadDump(r io.Reader) (*Dump, error) {
	p := dumpReader{dec: json.NewDecoder(r), dump: &Dump{rich: map[common.Address]*uint256.Int{}}}
	p.dec.UseNumber()
	for {
		err := p.value()
		if errors.Is(err, io.EOF) { // between values
			break
		}
		if err != nil {
			return nil, fmt.Errorf("state dump, byte %d: %w", p.dec.InputOffset(), err)
		}
	}
	if p.seen == 0 {
		return nil, errors.New("state dump: no account")
	}
	return p.dump, p.dump.sort()
}

func (d *Dump) sort() error {
	slices.SortFunc(d.accounts, func(a, b dumped) int { return bytes.Compare(a.addr[:], b.addr[:]) })
	for i := 1; i < len(d.accounts); i++ {
		if d.accounts[i].addr == d.accounts[i-1].addr {
			return fmt.Errorf("state dump: account %v twice", d.accounts[i].addr)
		}
	}
	d.accounts = append(make([]dumped, 0, len(d.accounts)), d.accounts...) // without room to grow
	return nil
}

// Len returns the number of accounts that have something.
func (d *Dump) Len() int { return len(d.accounts) }

// Account implements State. ok is always true.
func (d *Dump) Account(addr common.Address) (nonce uint64, balance uint256.Int, ok bool) {
	i := sort.Search(len(d.accounts), func(i int) bool { return bytes.Compare(d.accounts[i].addr[:], addr[:]) >= 0 })
	if i == len(d.accounts) || d.accounts[i].addr != addr {
		return 0, balance, true
	}
	a := &d.accounts[i]
	balance.SetBytes(a.balance[:])
	if rich, ok := d.rich[addr]; ok {
		balance = *rich
	}
	return binary.BigEndian.Uint64(a.nonce[:]), balance, true
}

func (d *Dump) add(addr common.Address, nonce uint64, balance *uint256.Int) {
	if nonce == 0 && balance.IsZero() {
		return
	}
	a := dumped{addr: addr}
	binary.BigEndian.PutUint64(a.nonce[:], nonce)
	if balance.BitLen() > 8*len(a.balance) {
		d.rich[addr] = balance
	} else {
		balance.WriteToSlice(a.balance[:])
	}
	d.accounts = append(d.accounts, a)
}

// dumpReader reads a dump token by token.
type dumpReader struct {
	dec  *json.Decoder
	dump *Dump
	seen int // accounts, also those that have nothing
}

// dumpedFields are the fields of an account that matter.
type dumpedFields struct {
	address string
	nonce   json.Number
	balance string
	account bool // there was a balance
}

// value reads a value at the top: all accounts, or one, or an object with other fields.
func (p *dumpReader) value() error {
	var f dumpedFields
	err := p.object(func(key string) error {
		if key == "accounts" {
			return p.accounts()
		}
		return p.field(key, &f)
	})
	if err != nil || !f.account {
		return err
	}
	return p.add(f)
}

// accounts reads an object with an account for each address.
func (p *dumpReader) accounts() error {
	return noEOF(p.object(func(addr string) error {
		f := dumpedFields{address: addr}
		if err := p.object(func(key string) error {
			if key == "address" {
				return p.skip() // the key is the address
			}
			return p.field(key, &f)
		}); err != nil {
			return err
		}
		if !f.account {
			return fmt.Errorf("account %s has no balance", addr)
		}
		return p.add(f)
	}))
}

func (p *dumpReader) add(f dumpedFields) error {
	if !common.IsHexAddress(f.address) {
		return fmt.Errorf("account %q: no address; the dump needs preimages", f.address)
	}
	var nonce uint64
	if f.nonce != "" {
		if err := json.Unmarshal([]byte(f.nonce), &nonce); err != nil {
			return fmt.Errorf("account %s: nonce %q", f.address, f.nonce)
		}
	}
	balance := new(uint256.Int)
	set := balance.SetFromDecimal
	if len(f.balance) > 1 && f.balance[:2] == "0x" {
		set = balance.SetFromHex
	}
	if err := set(f.balance); err != nil {
		return fmt.Errorf("account %s: balance %q: %w", f.address, f.balance, err)
	}
	p.seen++
	p.dump.add(common.HexToAddress(f.address), nonce, balance)
	return nil
}

// field reads the value of a field of an account.
func (p *dumpReader) field(key string, f *dumpedFields) error {
	switch key {
	case "address":
		return p.dec.Decode(&f.address)
	case "nonce":
		return p.dec.Decode(&f.nonce)
	case "balance":
		f.account = true
		return p.dec.Decode(&f.balance)
	default:
		return p.skip()
	}
}

// object reads an object, and calls member at the value of each key.
func (p *dumpReader) object(member func(key string) error) error {
	token, err := p.dec.Token()
	if err != nil {
		return err // io.EOF where no value begins
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%v, want an object", token)
	}
	for p.dec.More() {
		key, err := p.dec.Token()
		if err != nil {
			return noEOF(err)
		}
		if err := member(key.(string)); err != nil { // the decoder takes nothing else for a key
			return noEOF(err)
		}
	}
	_, err = p.dec.Token()
	return noEOF(err)
}

// skip passes over a value.
func (p *dumpReader) skip() error {
	for depth := 0; ; {
		token, err := p.dec.Token()
		if err != nil {
			return noEOF(err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// noEOF turns the end of a file inside a value into an error that says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
