package nodetest

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
)

// Log is a node's log that a test reads. The zero value is ready for use.
type Log struct{ actortest.Log }

// Logger writes to the Log from debug level on, for node.Config.Logger.
func (l *Log) Logger() *slog.Logger { return node.NewJSONLog(l, slog.LevelDebug) }

// Step is one record of the actor log, with the fields that ARCHITECTURE.md names.
type Step struct {
	Level, Actor, Event, Reason string
	Protocol, Peer, Direction   string
	Restarts                    int
	Backoff                     time.Duration
	Stack                       string
}

// Steps returns the records of the actors that have this name at the end of their path.
func (l *Log) Steps(t testing.TB, name string) []Step {
	t.Helper()
	var list []Step
	for _, line := range l.Lines("") {
		var s Step
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("log line %s: %v", line, err)
		}
		if s.Event != "" && s.Actor[strings.LastIndexByte(s.Actor, '/')+1:] == name {
			list = append(list, s)
		}
	}
	return list
}
