package protocols_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// provisioned is served with a Provision, and two cleanups of which the first one to run panics.
func provisioned(d *eventLog, provision func(context.Context, *protocols.Env) error) protocols.Spec {
	s := served(d, nil)
	inner := s.Service
	s.Service = func() actor.Actor {
		desk := inner()
		return actor.ReceiveFunc(func(ctx actor.Context) {
			desk.Receive(ctx)
			if _, ok := ctx.Message().(*actor.Stopped); ok {
				d.add("stopped")
			}
		})
	}
	s.Provision = func(ctx context.Context, env *protocols.Env) error {
		d.add("provision")
		env.Cleanup(func() { d.add("cleanup 1") })
		env.Cleanup(func() {
			d.add("cleanup 2")
			panic(errBroken)
		})
		if provision == nil {
			return nil
		}
		return provision(ctx, env)
	}
	return s
}

// TestProvision: it comes before everything else, once for all lives of the service, and its
// cleanups come after everything else.
func TestProvision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		p, err := protocoltest.Connect(provisioned(d, nil), byHand())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the service knows of the link
		p.A.CrashService()
		synctest.Wait() // so does the next one
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantEvents(t, d, "provision, started, joined false, started, joined true, left client quitting, stopping, stopped, cleanup 2, cleanup 1")
	})
}

// TestProvisionAlone: a Spec without a Service cleans up when its link has ended.
func TestProvisionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		spec := provisioned(d, func(_ context.Context, env *protocols.Env) error {
			env.Cleanup(func() {
				time.Sleep(3 * time.Second)
				d.add("slow cleanup")
			})
			return nil
		})
		spec.Service, spec.StopTimeout = nil, 3*time.Second
		p, err := protocoltest.Connect(spec, byHand())
		if err != nil {
			t.Fatal(err)
		}
		if p.A.Service() != nil {
			t.Errorf("a Spec without a service has %v", p.A.Service())
		}
		p.A.Disconnect(protocols.DiscRequested)
		p.A.Wait()
		wantEvents(t, d, "provision")
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantEvents(t, d, "slow cleanup, cleanup 2, cleanup 1")
	})
}

// TestProvisionFails: an error and a panic keep the protocol from running, and what was
// registered before is cleaned up.
func TestProvisionFails(t *testing.T) {
	errNoDisk := errors.New("no disk")
	for name, c := range map[string]struct {
		provision func(context.Context, *protocols.Env) error
		is        error
	}{
		"error": {func(context.Context, *protocols.Env) error { return errNoDisk }, errNoDisk},
		"panic": {func(context.Context, *protocols.Env) error { panic(errBroken) }, errBroken},
	} {
		d := new(eventLog)
		spec := provisioned(d, c.provision)
		spec.Provision = func(inner func(context.Context, *protocols.Env) error) func(context.Context, *protocols.Env) error {
			return func(ctx context.Context, env *protocols.Env) error {
				env.Cleanup(func() { d.add("cleanup 0") })
				if err := c.provision(ctx, env); err != nil {
					return err
				}
				return inner(ctx, env)
			}
		}(spec.Provision)
		_, err := protocoltest.Connect(spec, byHand())
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), "end A: protocol talk: provision: ") {
			t.Errorf("%s: %v", name, err)
		}
		wantEvents(t, d, "cleanup 0")
	}
}

// TestProtocolDir: each end has a directory of its own, which goes with the Pair unless the test
// names one.
func TestProtocolDir(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept")
	var dirs []string
	provision := func(_ context.Context, env *protocols.Env) error {
		dir, err := env.Dir()
		if err != nil {
			return err
		}
		if again, err := env.Dir(); again != dir || err != nil {
			t.Errorf("the second call of Dir returned %q, %v; the first one %q", again, err, dir)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("directory %v, %v", info, err)
		}
		if len(env.ID) != 128 {
			t.Errorf("ID %q", env.ID)
		}
		dirs = append(dirs, dir)
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	}
	spec := func() protocols.Spec {
		s := talk(func(actor.Context, *protocols.Link) {})
		s.Provision = provision
		return s
	}
	for range 2 {
		p, err := protocoltest.Connect(spec(), spec(), protocoltest.Dir(kept))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(dirs) != 4 || dirs[0] != kept || dirs[2] != kept || dirs[1] == dirs[3] {
		t.Errorf("directories of the ends: %q", dirs)
	}
	if _, err := os.Stat(filepath.Join(kept, "file")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dirs[1]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a temporary directory is still there: %v", err)
	}
	if dir, err := protocols.NewEnv(nil).Dir(); dir != "" || err != nil {
		t.Errorf("a node without a data directory: %q, %v", dir, err)
	}
}
