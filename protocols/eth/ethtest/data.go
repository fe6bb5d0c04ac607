// Package ethtest finds the data that tests of eth use: go-ethereum's test chain, and samples of
// history files, both within go-ethereum's module.
package ethtest

import (
	"go/build"
	"path/filepath"
	"testing"
)

// module is the module with the data.
const module = "github.com/ethereum/go-ethereum/"

// dir returns the directory of a package of go-ethereum.
func dir(t testing.TB, pkg string) string {
	t.Helper()
	p, err := build.Import(module+pkg, ".", build.FindOnly)
	if err != nil {
		t.Fatalf("find go-ethereum's %s: %v", pkg, err)
	}
	return p.Dir
}

// Chain returns the path of a file of the test chain of 'devp2p rlpx eth-test': genesis.json,
// chain.rlp, newpayload.json, headstate.json and so on. The chain has blocks 1 to 600.
func Chain(t testing.TB, name string) string {
	return filepath.Join(dir(t, "cmd/devp2p/internal/ethtest"), "testdata", name)
}

// Samples returns the paths of two era1 files of Sepolia, with the blocks 0 to 8191 and 172032 to
// 180223.
func Samples(t testing.TB) []string {
	d := filepath.Join(dir(t, "core/rawdb/eradb"), "testdata")
	return []string{filepath.Join(d, "sepolia-00000-643a00f7.era1"), filepath.Join(d, "sepolia-00021-b8814b14.era1")}
}

// NoReceipts returns the path of an .ere file without receipts.
func NoReceipts(t testing.TB) string {
	return filepath.Join(dir(t, "core/rawdb/eradb"), "testdata", "noreceipts", "sepolia-00000-deadbeef-noreceipts.ere")
}
