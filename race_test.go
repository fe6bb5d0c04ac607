//go:build race

package troupe_test

// The race detector makes everything ten times slower, so that it gets less to do.
const raceEnabled = true
