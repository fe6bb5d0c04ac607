package main

import (
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
)

// flagGenesis is a flag of eth.
const flagGenesis = "eth.genesis"

// ethOf returns the maker of eth for a node.
func ethOf() maker {
	e := eth.New(eth.Config{})
	return func(network string) (protocols.Spec, error) {
		err := e.SetNetwork(network)
		return e.Spec(), err
	}
}
