package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// maxGenesis is the size of a genesis file in bytes.
const maxGenesis = 64 << 20

// ReadGenesis returns the network of a genesis file, in go-ethereum's form. Its ID is the chain's. An
// error names the file and, as far as one is wrong, the field.
func ReadGenesis(path string) (*Network, error) {
	f, info, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxGenesis {
		return nil, fmt.Errorf("%s: %d bytes, more than %d", path, info.Size(), maxGenesis)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxGenesis))
	if err != nil {
		return nil, err
	}
	g, err := parseGenesis(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return NewNetwork(path, g), nil
}

func parseGenesis(b []byte) (*core.Genesis, error) {
	g := new(core.Genesis)
	if err := json.Unmarshal(b, g); err != nil { // also if something follows
		return nil, wrongField(b, err)
	}
	if g.Config == nil {
		return nil, errors.New("config: missing")
	}
	if err := checkConfig(g.Config); err != nil {
		return nil, fmt.Errorf("config.%w", err)
	}
	return g, checkGenesis(g)
}

// checkGenesis returns an error if a block has a field that no header, or no genesis block, can have.
func checkGenesis(g *core.Genesis) error {
	if g.Number != 0 {
		return fmt.Errorf("number: %d, want 0", g.Number)
	}
	if err := checkNumber("difficulty", g.Difficulty, 256); err != nil {
		return err
	}
	if err := checkNumber("baseFeePerGas", g.BaseFee, 256); err != nil {
		return err
	}
	for address, account := range g.Alloc {
		if err := checkNumber(fmt.Sprintf("alloc.%v.balance", address), account.Balance, 256); err != nil {
			return err
		}
	}
	return nil
}

func checkNumber(field string, n *big.Int, bits int) error {
	if n != nil && (n.Sign() < 0 || n.BitLen() > bits) {
		return fmt.Errorf("%s: %s, want 0 or more, and at most %d bits", field, short(n.String()), bits)
	}
	return nil
}

// short returns the beginning of a text.
func short(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// checkConfig returns an error, which begins with the field, if a chain cannot have a configuration.
func checkConfig(c *params.ChainConfig) error {
	if c.ChainID == nil {
		return errors.New("chainId: missing")
	}
	if err := checkNumber("chainId", c.ChainID, 64); err != nil {
		return err
	}
	for field, value := range reflect.ValueOf(c).Elem().Fields() {
		n, ok := value.Interface().(*big.Int)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		bits := 256
		if strings.HasSuffix(field.Name, "Block") {
			bits = 64 // a fork's number
		}
		if err := checkNumber(name, n, bits); err != nil {
			return err
		}
	}
	if c.EnableUBTAtGenesis {
		return errors.New("enableUBTAtGenesis: a genesis block with a binary tree is not supported")
	}
	if err := c.CheckConfigForkOrder(); err != nil {
		return fmt.Errorf("forks: %w", err)
	}
	return nil
}

// wrongField returns an error of decoding a genesis file with the name of the field, which the
// decoder does not give for most: it is the first that alone, too, cannot be decoded.
func wrongField(b []byte, err error) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		one := map[string]json.RawMessage{"gasLimit": []byte(`"0x1"`), "difficulty": []byte(`"0x1"`), "alloc": []byte(`{}`)}
		one[name] = fields[name]
		why := decodes(one, new(core.Genesis))
		if why == nil {
			continue
		}
		if inner, why := wrongInner(name, fields[name]); why != nil {
			return fmt.Errorf("%s.%s: %w", name, inner, why)
		}
		return fmt.Errorf("%s: %w", name, why)
	}
	return err
}

// wrongInner returns the first field of the configuration, or the first account, that cannot be
// decoded.
func wrongInner(name string, b []byte) (inner string, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return "", nil
	}
	for _, inner := range slices.Sorted(maps.Keys(fields)) {
		one := map[string]json.RawMessage{inner: fields[inner]}
		switch name {
		case "config":
			err = decodes(one, new(params.ChainConfig))
		case "alloc":
			err = decodes(one, new(types.GenesisAlloc))
		}
		if err != nil {
			return inner, err
		}
	}
	return "", nil
}

func decodes(fields map[string]json.RawMessage, to any) error {
	b, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
