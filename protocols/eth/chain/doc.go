// Package chain has what eth knows of a chain: the encoded parts of blocks and the roots that
// they must have.
package chain
