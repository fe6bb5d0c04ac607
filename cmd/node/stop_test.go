package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// slowVariable has how long the service of the protocol "slow" takes to stop, and how much time
// its Spec asks for, separated by a comma. A third part says how long its Provision waits:
// "watches", until its context ends; "ignores", for ever.
const slowVariable = "TROUPE_TEST_SLOW"

// addSlowProtocol makes a protocol known to the process whose service is slow to stop.
func addSlowProtocol() {
	fields := strings.Split(os.Getenv(slowVariable), ",")
	if len(fields) < 2 {
		return
	}
	takes, timeout, waits := fields[0], fields[1], strings.Join(fields[2:], "")
	builtin["slow"] = fixed(func() protocols.Spec {
		var env *protocols.Env
		return protocols.Spec{
			Provision: func(ctx context.Context, e *protocols.Env) error {
				env = e
				switch waits {
				case "watches":
					env.Logger.Info("slow prepares")
					<-ctx.Done()
				case "ignores":
					env.Logger.Info("slow prepares")
					select {}
				}
				return ctx.Err()
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
	})
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

// TestSignalDuringStart: it ends the start, and the node is never ready. A second signal ends the
// process at once, although a protocol goes on preparing.
func TestSignalDuringStart(t *testing.T) {
	for name, tt := range map[string]struct {
		waits   string
		signals int
		code    int
	}{
		"one signal":  {"watches", 1, exitOK},
		"two signals": {"ignores", 2, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := launch(t, []string{slowVariable + "=0s,0s," + tt.waits}, "--datadir", t.TempDir(), "--protocols", "slow")
			p.awaitLog("slow prepares")
			if tt.signals == 2 {
				if err := p.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				p.awaitLog("node stopping")
				time.Sleep(sameRequest) // otherwise the second repeats the first
			}
			code, took := p.end(syscall.SIGTERM)
			if code != tt.code || took > 3*time.Second {
				t.Errorf("exit code %d after %v, want %d at once", code, took, tt.code)
			}
			if strings.Contains(p.log(), "incomplete") {
				t.Errorf("Stop failed:\n%s", p.log())
			}
		})
	}
}
