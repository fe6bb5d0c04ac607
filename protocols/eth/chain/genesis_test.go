package chain_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// TestWrongGenesis: what no chain has is refused with the file and the field, and nothing panics.
func TestWrongGenesis(t *testing.T) {
	file := func(config, rest string) string {
		return `{"config":{` + config + `},"gasLimit":"0x1",` + rest + `}`
	}
	const rest = `"difficulty":"1","alloc":{}`
	path := filepath.Join(t.TempDir(), "genesis.json")
	for name, c := range map[string]struct{ text, want string }{
		"negative total difficulty": {file(`"chainId":5,"terminalTotalDifficulty":-5`, rest), "config.terminalTotalDifficulty: -5"},
		"large total difficulty":    {file(`"chainId":5,"terminalTotalDifficulty":1`+strings.Repeat("0", 800), rest), "config.terminalTotalDifficulty: 1"},
		"negative difficulty":       {file(`"chainId":5`, `"difficulty":"-1","alloc":{}`), "difficulty: -1"},
		"large difficulty":          {file(`"chainId":5`, `"difficulty":"0x1`+strings.Repeat("0", 64)+`","alloc":{}`), "difficulty: "},
		"negative base fee":         {file(`"chainId":5`, rest+`,"baseFeePerGas":"-1"`), "baseFeePerGas: -1"},
		"negative balance":          {file(`"chainId":5`, `"difficulty":"1","alloc":{"0x0000000000000000000000000000000000000001":{"balance":"-1"}}`), "balance: -1"},
		"no balance":                {file(`"chainId":5`, `"difficulty":"1","alloc":{"0x0000000000000000000000000000000000000001":{"balance":"x"}}`), "alloc.0x0000000000000000000000000000000000000001: "},
		"negative fork":             {file(`"chainId":5,"londonBlock":-9`, rest), "config.londonBlock: -9"},
		"large fork":                {file(`"chainId":5,"londonBlock":99999999999999999999999`, rest), "config.londonBlock: 9"},
		"a fork that is no number":  {file(`"chainId":5,"londonBlock":"x"`, rest), "config.londonBlock: "},
		"forks out of order":        {file(`"chainId":5,"homesteadBlock":9,"eip150Block":5`, rest), "eip150Block"},
		"a fork without the others": {file(`"chainId":5,"londonBlock":9`, rest), "londonBlock"},
		"negative chain ID":         {file(`"chainId":-5`, rest), "config.chainId: -5"},
		"large chain ID":            {file(`"chainId":18446744073709551616`, rest), "config.chainId: 1"},
		"no chain ID":               {file(``, rest), "config.chainId: missing"},
		"no configuration":          {`{"gasLimit":"0x1",` + rest + `}`, "config: missing"},
		"a number":                  {file(`"chainId":5`, rest+`,"number":"0x5"`), "number: 5"},
		"a nonce that is no number": {file(`"chainId":5`, rest+`,"nonce":"x"`), "nonce: "},
		"no alloc":                  {file(`"chainId":5`, `"difficulty":"1"`), "alloc"},
		"something after it":        {file(`"chainId":5`, rest) + " garbage {", "invalid character 'g'"},
		"a binary tree":             {file(`"chainId":5,"enableUBTAtGenesis":true`, rest), "config.enableUBTAtGenesis"},
		"null":                      {`null`, "missing"},
		"a list":                    {`[]`, "array"},
		"nothing":                   {``, "unexpected end"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := chain.ReadGenesis(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	good := file(`"chainId":5,"terminalTotalDifficulty":0`, rest) + "\n"
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := chain.ReadGenesis(path); err != nil || n.ID != 5 {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json")); err != nil {
		t.Error(err)
	}
}
