package supervise

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"
)

// TestJournalRecord: the log record of each kind of step.
func TestJournalRecord(t *testing.T) {
	for _, tt := range []struct {
		name   string
		event  Step
		level  string
		fields map[string]any // beside actor and event
	}{
		{"a peer starts", Step{Event: Started, Reason: "geth", Peer: "9f@1.2.3.4:5", Direction: "inbound"}, "INFO",
			map[string]any{"reason": "geth", "peer": "9f@1.2.3.4:5", "direction": "inbound"}},
		{"a child starts", Step{Event: Started, Quiet: true}, "DEBUG", nil},
		{"a crash", Step{Event: Failed, Reason: "panic: x", Backoff: 10 * time.Millisecond, Stack: "main.go:1", Protocol: "eth/68"}, "ERROR",
			map[string]any{"reason": "panic: x", "restarts": 0.0, "backoff": 1e7, "stack": "main.go:1", "protocol": "eth/68"}},
		{"a restart", Step{Event: Restarted, Restarts: 3}, "WARN", map[string]any{"restarts": 3.0, "backoff": 0.0}},
		{"an injected crash", Step{Event: Failed, Injected: true}, "WARN", map[string]any{"restarts": 0.0, "backoff": 0.0, "injected": true}},
		{"the restart limit is exceeded", Step{Event: GaveUp, Restarts: 5}, "ERROR", map[string]any{"restarts": 5.0}},
		{"a router refuses", Step{Event: GaveUp, Outside: true, Attrs: []slog.Attr{slog.Int("code", 501)}}, "WARN", map[string]any{"code": 501.0}},
		{"a router has mapped a port", Step{Event: "mapped", Outside: true}, "INFO", nil},
		{"a return", Step{Event: Returned}, "INFO", nil},
		{"an end", Step{Event: Stopped, Reason: "remote: too many peers"}, "INFO", map[string]any{"reason": "remote: too many peers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			var seen []Step
			log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			tt.event.Actor = "node/peer"
			NewJournal(log, func(e Step) { seen = append(seen, e) }).Record(tt.event)
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%v in %s", err, out.Bytes())
			}
			want := map[string]any{"level": tt.level, "actor": "node/peer", "event": tt.event.Event, "msg": "actor " + tt.event.Event}
			maps.Copy(want, tt.fields)
			delete(got, "time")
			if !maps.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if len(seen) != 1 || seen[0].Time.IsZero() {
				t.Errorf("observers got %+v", seen)
			}
		})
	}
}

func TestJournalWithoutLog(t *testing.T) {
	var none *Journal
	none.Record(Step{Event: Failed})
	var seen []string
	NewJournal(nil, func(e Step) { seen = append(seen, e.Event) }, func(e Step) { seen = append(seen, e.Event) }).Record(Step{Event: Started})
	if !slices.Equal(seen, []string{Started, Started}) {
		t.Errorf("observers got %v", seen)
	}
	var out bytes.Buffer
	quiet := slog.New(slog.NewTextHandler(&out, nil))
	NewJournal(quiet).Record(Step{Event: Started, Quiet: true})
	if out.Len() != 0 {
		t.Errorf("a disabled level is logged: %s", &out)
	}
}
