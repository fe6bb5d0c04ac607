//go:build !race

package troupe_test

const raceEnabled = false
