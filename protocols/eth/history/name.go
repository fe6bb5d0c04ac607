package history

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// genesisOf are the genesis blocks of the networks after which era1 and .ere files are named.
var genesisOf = map[string]common.Hash{
	"mainnet": params.MainnetGenesisHash,
	"sepolia": params.SepoliaGenesisHash,
	"holesky": common.HexToHash("0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"),
	"hoodi":   params.HoodiGenesisHash,
}

// checkName returns an error if a file is that of another network by its name, which is
// NETWORK-EPOCH-HASH. Only the name says so of a file that no other one is linked to.
func checkName(path string, genesis common.Hash) error {
	network, rest, _ := strings.Cut(filepath.Base(path), "-")
	epoch, _, _ := strings.Cut(rest, "-")
	if _, err := strconv.ParseUint(epoch, 10, 64); err != nil || filepath.Ext(path) == ".rlp" {
		return nil
	}
	if theirs, ok := genesisOf[network]; ok && theirs != genesis {
		return fmt.Errorf("%s: a file of %s by its name, whose genesis block is %v, want %v", path, network, theirs, genesis)
	}
	return nil
}
