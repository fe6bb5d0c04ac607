package punch

// Expected returns how many datagrams the Service waits for.
func (s *Service) Expected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.expected)
}

// Relaying returns how many rings wait for an answer.
func (s *Service) Relaying() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.relaying, len(s.ringing))
}
