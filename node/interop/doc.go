// Package interop has only tests: our node with go-ethereum as the remote. A go-ethereum node
// in the same process finds ours, talks to it, and each reads the other's Disconnect reasons:
//
//	go test ./node/interop
//
// The build tag conformance adds go-ethereum's own test suites for RLPx and discovery, which
// need its program devp2p in PATH (.ci/run installs it), and a network of a hundred of our
// nodes on loopback:
//
//	go test -count=1 -tags conformance -run Conformance ./node/interop
package interop
