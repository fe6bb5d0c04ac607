// Package backfill downloads a chain backward, from the hash of a block, into a directory of .ere
// files. It has the rules alone: what to ask for next, what is whole and can be written. The caller has
// the network, and checks answers by package verify.
//
//	for !s.Status().Done {
//		for r, err := s.Next(); r != nil; r, err = s.Next() { … } // ask peers; s.PutHeaders or s.PutParts; s.End(r)
//		s.Write(ctx)                                            // writes an epoch, if one is whole
//	}
//
// A header has the hash that the one above it has for its parent; bodies and receipts have the roots in
// their header. So all that is written belongs to the chain of the hash, whichever peers
// it came from. A file that the directory has already is passed over: where the chain meets it, the
// hashes must be the same. The file of an epoch that has grown replaces the smaller one, also if the
// chain was reorganised near its end.
//
// What is not in a file yet is in journals, one for an epoch, in a folder of the directory. A killed
// process loses nothing that was added: the next one reads the journals, cuts what a crash has left
// half, and goes on, also if the chain has got longer.
//
// Headers are fetched first, an epoch ahead of the other parts. Files of blocks before the Merge have
// total difficulties, which are sums from the genesis block on. So below the Merge all headers are
// fetched first, down to the genesis block or to a file that has total difficulties, and then the epochs
// are written upward.
package backfill
