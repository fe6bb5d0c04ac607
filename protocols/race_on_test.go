//go:build race

package protocols

const raceDetector = true
