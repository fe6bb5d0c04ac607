package supervise

// What the external tests see of a Dispatcher.
const (
	ParkedWorkers = parkedWorkers
	Throughput    = throughput
)

// Parked is the number of goroutines that wait for work.
func (d *Dispatcher) Parked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.parked)
}
