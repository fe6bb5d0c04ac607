package eth

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
)

// newFlags returns the flags that set the fields of a Config.
func newFlags(c *Config) *flag.FlagSet {
	flags := flag.NewFlagSet("eth", flag.ContinueOnError)
	flags.Var(&pathValue{&c.Genesis}, "eth.genesis", "`FILE` with the genesis block of the chain, in place of --network's")
	flags.Uint64Var(&c.NetworkID, "eth.networkid", c.NetworkID, "`ID` of the network; 0 is the chain ID")
	flags.Var(&listValue[uint]{to: &c.Versions, parse: parseVersion}, "eth.versions", "`VERSIONS` of eth to offer, separated by commas; all if empty")
	flags.Var(&pathsValue{listValue[string]{to: &c.History, parse: parsePath}}, "eth.history", "`PATHS` of history files (.era1, .ere, chain.rlp) or directories with such files, separated by commas")
	flags.BoolVar(&c.Fill, "eth.fill", c.Fill, "download the blocks that are missing in --eth.history, up to a few below the head, into its first directory")
	flags.Var(&rpcValue{&c.RPC}, "eth.rpc", "`URL` of an execution node to ask for the head and for the accounts of senders: http, https, ws, wss, or the path of a socket")
	flags.Var(&rateValue{&c.Pool}, "eth.pool", "size of the pool of transactions in memory, in `BYTES`; 0 is 64 MiB")
	flags.Var(&pathValue{&c.StateFile}, "eth.state", "`FILE` with the accounts of the chain's head, as 'geth dump' writes it, to check nonces and balances of transactions")
	flags.Var(&offValue{&c.NoBlobs}, "eth.blobs", "`on` or off: whether to fetch, keep and serve transactions with blobs")
	flags.Var(&listValue[uint64]{to: &c.Custody, parse: blobs.ParseColumn}, "eth.custody", "`COLUMNS` of blobs to fetch, 0 to 127, separated by commas; with 64 or more, all blobs are fetched in full; those of the node's ID if empty")
	flags.Var(&rateValue{&c.Upload}, "eth.upload", "maximum size of all answers to peers, in `BYTES` a second; 0 is no maximum")
	flags.Var(&rateValue{&c.UploadPeer}, "eth.upload.peer", "maximum size of the answers to one peer, in `BYTES` a second; 0 is no maximum")
	return flags
}

func parseVersion(s string) (uint, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, err
	}
	return uint(n), checkVersions([]uint{uint(n)})
}

func parsePath(s string) (string, error) { return s, nil }

// pathValue is a flag with the path of a file.
type pathValue struct{ to *string }

// IsPathFlag implements protocols.PathFlag.
func (pathValue) IsPathFlag() bool { return true }

// String implements flag.Value. Package flag calls it on the zero value, too.
func (v *pathValue) String() string {
	if v.to == nil {
		return ""
	}
	return *v.to
}

// Set implements flag.Value.
func (v *pathValue) Set(s string) error {
	*v.to = s
	return nil
}

// pathsValue is a flag with paths that are separated by commas.
type pathsValue struct{ listValue[string] }

// IsPathFlag implements protocols.PathFlag.
func (pathsValue) IsPathFlag() bool { return true }

// listValue is a flag with values that are separated by commas.
type listValue[T any] struct {
	to    *[]T
	parse func(string) (T, error)
}

// String implements flag.Value. Package flag calls it on the zero value, too.
func (v *listValue[T]) String() string {
	if v.to == nil {
		return ""
	}
	var texts []string
	for _, one := range *v.to {
		texts = append(texts, fmt.Sprint(one))
	}
	return strings.Join(texts, ",")
}

// Set implements flag.Value.
func (v *listValue[T]) Set(s string) error {
	var list []T
	for text := range strings.SplitSeq(s, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		one, err := v.parse(text)
		if err != nil {
			return err
		}
		list = append(list, one)
	}
	*v.to = list
	return nil
}

// offValue is a flag that is on or off, for a field that is set if it is off.
type offValue struct{ to *bool }

// String implements flag.Value. Package flag calls it on the zero value, too.
func (v *offValue) String() string {
	if v.to != nil && *v.to {
		return "off"
	}
	return "on"
}

// Set implements flag.Value.
func (v *offValue) Set(s string) error {
	if s != "on" && s != "off" {
		return fmt.Errorf("want on or off")
	}
	*v.to = s == "off"
	return nil
}

// rateValue is a flag with a number of bytes.
type rateValue struct{ to *int }

// String implements flag.Value. Package flag calls it on the zero value, too.
func (v *rateValue) String() string {
	if v.to == nil {
		return "0"
	}
	return strconv.Itoa(*v.to)
}

// Set implements flag.Value.
func (v *rateValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err == nil && n < 0 {
		err = fmt.Errorf("want at least 0")
	}
	if err == nil {
		*v.to = int(n)
	}
	return err
}
