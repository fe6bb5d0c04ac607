package supervise

// These identifiers are exported for the external tests.
const (
	ParkedWorkers = parkedWorkers
	Throughput    = throughput
)

// Parked returns the number of goroutines that wait for work.
func (d *Dispatcher) Parked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.parked)
}
