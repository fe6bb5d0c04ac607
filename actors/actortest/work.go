package actortest

// Work returns the amount of work for this run: full, or less under the race detector.
func Work(full, underRace int) int {
	if Race {
		return underRace
	}
	return full
}
