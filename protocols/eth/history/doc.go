// Package history reads and writes files with the blocks of a chain: era1, .ere with or without
// receipts, and chain.rlp with the block access lists of a newpayload.json beside it.
//
// A [File] is one file, opened. Parts of a block are read by offset, as RLP, when they are asked
// for. Nothing that a file says is trusted: counts, lengths, offsets and types are checked before
// they are used, and a wrong one is an error with the offset.
//
// [WriteEpoch] writes an .ere file of any [Source] of blocks. [List] and [Verify] report on the files of a
// directory.
package history
