package devnet

import "fmt"

const (
	// filesOfNode are the sockets of a node besides its links: two listening ones, and connections
	// that are being set up.
	filesOfNode = 4
	// filesBesides is what the process has open besides.
	filesBesides = 64
)

// checkFiles returns an error if nodes with so many peers each do not fit into a limit of open files.
// Each link has two sockets, because both its ends are in this process. A limit of 0 is unknown.
func checkFiles(nodes, maxPeers int, limit uint64) error {
	each := uint64(filesOfNode + maxPeers)
	need := filesBesides + uint64(nodes)*each
	if limit == 0 || need <= limit {
		return nil
	}
	fit := uint64(0)
	if limit > filesBesides {
		fit = (limit - filesBesides) / each
	}
	return fmt.Errorf("%d nodes with up to %d peers each need %d open files, and the limit of the process is %d: raise it (ulimit -n), or run at most %d nodes",
		nodes, maxPeers, need, limit, fit)
}
