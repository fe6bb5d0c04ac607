// Package hashset has a bounded set of hashes in little memory: what a peer knows, or what was
// refused. A full set forgets its oldest hash for each new one.
package hashset
