package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// slowVariable has how long the service of the protocol "slow" takes to stop, and how much time
// its Spec asks for, separated by a comma.
const slowVariable = "TROUPE_TEST_SLOW"

// addSlowProtocol makes a protocol known to the process whose service is slow to stop.
func addSlowProtocol() {
	takes, timeout, ok := strings.Cut(os.Getenv(slowVariable), ",")
	if !ok {
		return
	}
	builtin["slow"] = func() protocols.Spec {
		var env *protocols.Env
		return protocols.Spec{
			Provision: func(e *protocols.Env) error {
				env = e
				return nil
			},
			Name: "slow", Versions: []protocols.Version{{Number: 1, Length: 1}},
			New:         func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
			StopTimeout: parseTime(timeout),
			Service: func() actor.Actor {
				return actor.ReceiveFunc(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Stopping); ok {
						time.Sleep(parseTime(takes))
						env.Logger.Info("slow flushed")
					}
				})
			},
		}
	}
}

func parseTime(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// TestStopWaitsForProtocols: the process waits for a service as long as its Spec asks for, also
// if the protocol was added while the node ran, and no longer.
func TestStopWaitsForProtocols(t *testing.T) {
	for name, tt := range map[string]struct {
		slow        string
		added       bool
		least, most time.Duration
		flushed     bool
	}{
		"six seconds":             {"6s,7s", false, 6 * time.Second, 8 * time.Second, true},
		"added while it runs":     {"6s,7s", true, 6 * time.Second, 8 * time.Second, true},
		"more than it asks for":   {"1h,2s", false, 2 * time.Second, 4 * time.Second, false},
		"more, and asks for none": {"1h,0s", false, 500 * time.Millisecond, 3 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, protocols := t.TempDir(), "slow,chat"
			if tt.added {
				protocols = "chat"
			}
			p := startWith(t, []string{slowVariable + "=" + tt.slow}, "--datadir", dir, "--protocols", protocols)
			if tt.added {
				at(t, dir, "protocol", "add", "slow")
			}
			code, took := p.end(syscall.SIGTERM)
			if code != exitOK || took < tt.least || took > tt.most {
				t.Errorf("exit code %d after %v, want %v to %v", code, took, tt.least, tt.most)
			}
			log := p.log()
			if strings.Contains(log, "slow flushed") != tt.flushed || strings.Contains(log, "did not stop in time") == tt.flushed {
				t.Errorf("flushed: want %v; the log:\n%s", tt.flushed, log)
			}
			if !tt.flushed && !strings.Contains(log, "/service-slow protocol=slow timeout=") {
				t.Errorf("the log does not name the service:\n%s", log)
			}
			if strings.Contains(log, "incomplete") {
				t.Errorf("Stop failed:\n%s", log)
			}
		})
	}
}
