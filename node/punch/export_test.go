package punch

// Expected is how many datagrams are waited for.
func (s *Service) Expected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.expected)
}

// Relaying is how many rings wait for an answer.
func (s *Service) Relaying() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.relaying, len(s.ringing))
}
