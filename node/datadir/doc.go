// Package datadir is what a node keeps on disk: its private key, and files that are
// replaced as a whole. Each actor's package names its own files.
package datadir
