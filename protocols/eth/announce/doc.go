// Package announce encodes and parses announcements of transactions: the message
// NewPooledTransactionHashes in the forms of eth/68 to 71 and of eth/72.
package announce
