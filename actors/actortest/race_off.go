//go:build !race

package actortest

// Race says whether the race detector runs. It makes everything about ten times slower,
// and needs memory of its own.
const Race = false
