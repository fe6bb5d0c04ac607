package devnet

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// graph is who has whom as a peer, as each node tells it. Only who is in it counts.
type graph map[enode.ID][]enode.ID

// prune drops peers that are not in the graph: they are gone, and not everybody has
// noticed.
func (g graph) prune() {
	for id, peers := range g {
		g[id] = slices.DeleteFunc(peers, func(p enode.ID) bool {
			_, ok := g[p]
			return !ok
		})
	}
}

// pair is two nodes, in the order of their IDs.
type pair [2]enode.ID

// links counts pairs of nodes in the graph of which at least one has the other as a peer:
// one of the two learns of a link, and of its end, a moment before the other.
func (g graph) links() int {
	pairs := map[pair]struct{}{}
	for a, peers := range g {
		for _, b := range peers {
			p := pair{a, b}
			if bytes.Compare(a[:], b[:]) > 0 {
				p = pair{b, a}
			}
			pairs[p] = struct{}{}
		}
	}
	return len(pairs)
}

// components counts the parts of the graph between which there is no link.
func (g graph) components() int {
	parent := map[enode.ID]enode.ID{}
	for id := range g {
		parent[id] = id
	}
	root := func(id enode.ID) enode.ID {
		for parent[id] != id {
			parent[id] = parent[parent[id]]
			id = parent[id]
		}
		return id
	}
	n := len(g)
	for a, peers := range g {
		for _, b := range peers {
			if ra, rb := root(a), root(b); ra != rb {
				parent[ra] = rb
				n--
			}
		}
	}
	return n
}

// degrees gives the least, the median and the largest number of peers of a node.
func (g graph) degrees() (least, median, most int) {
	if len(g) == 0 {
		return 0, 0, 0
	}
	var all []int
	for _, peers := range g {
		all = append(all, len(peers))
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}
