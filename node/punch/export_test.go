package punch

// Awaited is how many datagrams are waited for.
func (d *Desk) Awaited() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.awaited)
}

// Relaying is how many rings wait for an answer.
func (d *Desk) Relaying() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.relaying, len(d.ringing))
}
