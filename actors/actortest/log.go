package actortest

import (
	"strings"
	"sync"
)

// Log is a log that a test reads. A handler of log/slog that writes lines writes into it.
// The zero value is ready for use.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Write adds one line.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

// NonBlocking implements node/asynclog.NonBlocking: a node writes into the Log directly.
func (l *Log) NonBlocking() bool { return true }

// Lines returns the lines that contain these words, all lines if words is empty.
func (l *Log) Lines(words string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		if strings.Contains(line, words) {
			found = append(found, line)
		}
	}
	return found
}
