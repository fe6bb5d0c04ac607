package memory

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Config has what Keep gets from outside. The zero value is right for a program.
type Config struct {
	Logger *slog.Logger // nil: nothing is logged

	// For tests:
	Clock   supervise.Clock // nil: SystemClock
	Read    func() Reading  // nil: the function Read
	Release func()          // nil: the function Release
}

// Keep returns unused memory to the operating system whenever the process is quiet and holds 16
// MiB more than it needed before, within half a minute. It does so until stop is called.
func Keep(c Config) (stop func()) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Read == nil {
		c.Read = Read
	}
	if c.Release == nil {
		c.Release = Release
	}
	k := &keeper{Config: c}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look()
	return k.stop
}

type keeper struct {
	Config

	mu      sync.Mutex
	rule    rule
	timer   supervise.Timer
	stopped bool
}

func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
}

func (k *keeper) lookAgain() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.look()
	}
}

// look reads the memory, releases some if that is due, and sets the timer. The caller holds mu.
func (k *keeper) look() {
	if before := k.Read(); k.rule.due(k.Clock.Now(), before) {
		k.Release()
		after := k.Read()
		k.rule.released(k.Clock.Now(), after)
		k.Logger.Info("memory returned to the system", "before", before.Held, "after", after.Held)
	}
	k.timer = k.Clock.AfterFunc(interval, k.lookAgain)
}

// Release collects garbage, empties every sync.Pool, and returns free memory to the operating
// system. The program stands still for a moment.
func Release() {
	runtime.GC() // what a sync.Pool has survives one collection
	debug.FreeOSMemory()
}

// Read reads the memory of this process. C code's memory is not part of it.
func Read() Reading {
	samples := [...]metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/goal:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples[:])
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return Reading{
		Held: value(0) - min(value(0), value(1)), Objects: value(2), Goal: value(3), Allocated: value(4),
	}
}
