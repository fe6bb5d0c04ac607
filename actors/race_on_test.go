//go:build race

package actors

// underRace reports whether the race detector is enabled, which makes everything about ten times
// slower.
const underRace = true
