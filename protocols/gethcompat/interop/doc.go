// Package interop holds go-ethereum's own eth, unchanged and mounted on a link of ours by
// gethcompat, against a go-ethereum node at the other end. It is a module of its own,
// because eth brings the whole of an execution client with it:
//
//	cd protocols/gethcompat/interop && go test -mod=mod .
package interop
