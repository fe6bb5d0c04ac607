// Package interop has only tests: our node with go-ethereum as the remote. A go-ethereum node
// in the same process finds ours, talks to it, and each reads the other's Disconnect reasons:
//
//	go test ./node/interop
//
// The build tag conformance adds go-ethereum's own test suites for RLPx, discovery and eth, a geth
// that synchronises with our node, a client of EthereumJS, and a network of a hundred of our nodes on
// loopback. They need go-ethereum's programs devp2p and geth in PATH, and 'npm ci' in
// testdata/ethereumjs (.ci/run does both):
//
//	go test -count=1 -tags conformance -run Conformance ./node/interop
package interop
