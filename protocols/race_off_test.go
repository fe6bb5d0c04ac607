//go:build !race

package protocols

const raceDetector = false
