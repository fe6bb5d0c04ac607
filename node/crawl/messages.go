package crawl

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file is the whole vocabulary of the crawl's actors, by sender. What discovery says
// stands in its own messages.go.

// From outside to the crawl.

// finish ends the crawl: its context has ended.
type finish struct{ supervise.Late }

// From visits and the walker.

// visitDone is what a visit's goroutine tells its actor, and that the walker.
type visitDone struct {
	supervise.Late
	by     *actor.PID
	report report
}

// keep gives the archive something to write, a sighting or a report. For each
// batch there is one kept.
type keep struct {
	supervise.Late
	entry record
	from  *actor.PID
}

// quiet tells the crawl that nothing new has come for as long as the operator wants to
// wait.
type quiet struct{ supervise.Late }

// tick is the walker's timer to itself: a visit may be due, or all may be quiet.
type tick struct {
	supervise.Late
	of *walker // timers of an earlier incarnation are recognised by it
}

// From the archive.

// kept says that a batch of the walker's entries is in the database.
type kept struct{ supervise.Late }

// writeFailed tells the crawl that the database can't be written.
type writeFailed struct {
	supervise.Late
	err error
}

// flush is the archive's timer to itself.
type flush struct{ supervise.Late }

// closeArchive makes the archive write what it has and stop.
type closeArchive struct{ supervise.Late }
