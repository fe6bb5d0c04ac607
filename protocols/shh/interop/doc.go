// Command interop runs go-ethereum v1.9.20's Whisper, the implementation that EIP-627
// describes, so that package shh can be tested against it. It is a separate module, because
// one program can't contain that version of go-ethereum and today's. Go links it with
// -ldflags=-checklinkname=0.
//
//	interop node      runs a node and serves its shh_* and test_* calls as JSON-RPC
//	                  on standard input and output
//	interop client    makes the calls of shhclient to another node's IPC socket
//	interop vectors   prints the content of package shh's testdata/vectors.json
package main
