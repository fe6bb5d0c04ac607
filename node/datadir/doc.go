// Package datadir manages a node's data directory: its lock, the private key, and files that are
// replaced as a whole. Each actor's package names its own files.
package datadir
