package discovery

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// logBook records the log from level Info on.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// count returns how often the words occur in the log.
func (l *logBook) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}
