// Package interop tests go-ethereum's eth protocol, unchanged and run on a link of ours by
// gethcompat, against a go-ethereum node at the other end. It is a separate module, because
// eth depends on a whole execution client:
//
//	cd protocols/gethcompat/interop && go test -mod=mod .
package interop
