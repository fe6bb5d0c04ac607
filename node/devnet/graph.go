package devnet

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// graph maps each running node to the peers that it reports.
type graph map[enode.ID][]enode.ID

// prune removes peers that are not nodes of the graph: they have ended, and some nodes have
// not yet noticed.
func (g graph) prune() {
	for id, peers := range g {
		g[id] = slices.DeleteFunc(peers, func(p enode.ID) bool {
			_, ok := g[p]
			return !ok
		})
	}
}

// pair is the IDs of two nodes, in ascending order.
type pair [2]enode.ID

// links counts the pairs of nodes of which at least one reports the other as a peer: one of
// the two notices a link, and its end, slightly before the other.
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

// components counts the connected components of the graph.
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

// degrees returns the minimum, the median and the maximum number of peers of a node.
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
