//go:build race

package actors

// underRace says that the race detector watches, which makes everything about ten
// times slower.
const underRace = true
