// Package natlab has only tests: nodes behind real routers and NATs, in network namespaces of
// Linux. natlab, a script, makes the homes, the routers (miniupnpd, or a fake gateway with
// programmed faults) and the Internet between them.
//
// The tests need root, the build tag natlab, and natlab's directory, which the environment
// variable NATLAB names. By default it is shared/natlab beside the repository. docs/nat.md and
// docs/hole-punching.md have the results.
//
//	go test -count=1 -tags natlab -run NATLab -v ./node/natlab
package natlab
