// Command interop is go-ethereum v1.9.20's own Whisper, the implementation that EIP-627
// was written by, for tests of package shh against it. It is a module of its own, because
// that version of go-ethereum and today's don't go into one program. Go links it with
// -ldflags=-checklinkname=0.
//
//	interop node      runs a node and serves its shh_* and test_* calls as JSON-RPC
//	                  on standard input and output
//	interop client    makes the calls of its client, shhclient, to another node's IPC socket
//	interop vectors   prints what package shh has in testdata/vectors.json
package main
