package supervise_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

func heap() int64 {
	runtime.GC()
	runtime.GC() // frees what finalizers and pools have kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSystemForgetsManyActors: an actor system is small, and 20,000 actors, 100 at a time and
// with names of their own, leave nothing of that size behind.
func TestSystemForgetsManyActors(t *testing.T) {
	const actors, atOnce, limit = 20_000, 100, 256 << 10
	before := heap()
	system := actortest.NewSystem()
	defer system.Shutdown()
	if size := heap() - before; size > limit {
		t.Errorf("an empty system has %d bytes, want at most %d", size, limit)
	}
	var gone sync.WaitGroup
	props := supervise.PropsOf(func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				ctx.Stop(ctx.Self())
			case *actor.Stopped:
				gone.Done()
			}
		})
	}, nil)
	for i := range actors {
		if i%atOnce == 0 {
			gone.Wait()
		}
		gone.Add(1)
		if _, err := system.Root.SpawnNamed(props, fmt.Sprint("actor-", i)); err != nil {
			t.Fatal(err)
		}
	}
	gone.Wait()
	if left := heap() - before; left > limit {
		t.Errorf("%d actors leave %d bytes behind, want at most %d", actors, left, limit)
	}
	runtime.KeepAlive(system)
}

// TestSystemHasItsOwnProcesses: protoactor finds the processes of every actor system, and
// requests and dead letters work.
func TestSystemHasItsOwnProcesses(t *testing.T) {
	system := actortest.NewSystem()
	defer system.Shutdown()
	for _, id := range []string{"deadletter", "eventstream"} {
		if _, ok := system.ProcessRegistry.GetLocal(id); !ok {
			t.Errorf("%s is not registered", id)
		}
	}
	pid := system.Root.Spawn(supervise.PropsOf(func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if s, ok := ctx.Message().(string); ok {
				ctx.Respond(s + "!")
			}
		})
	}, nil))
	if got, err := system.Root.RequestFuture(pid, "hello", time.Minute).Result(); err != nil || got != "hello!" {
		t.Errorf("answer %v, %v", got, err)
	}
	gone := actor.NewPID(system.Address(), "none")
	if _, err := system.Root.RequestFuture(gone, "hello", time.Minute).Result(); err != actor.ErrDeadLetter {
		t.Errorf("a request to no actor: %v", err)
	}
	if err := system.Root.StopFuture(pid).Wait(); err != nil {
		t.Error(err)
	}
}
