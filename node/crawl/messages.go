package crawl

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file has all messages of the crawl's actors, by sender. Those of discovery are in
// its own messages.go.

// From outside to the crawl.

// finish ends the crawl, because its context has ended.
type finish struct{ supervise.Late }

// From visits and the walker.

// visitDone is the result of a visit, from its goroutine to its actor and on to the walker.
type visitDone struct {
	supervise.Late
	by     *actor.PID
	report report
}

// keep gives the archive a finding or a report to write. The archive answers each batch
// with one kept.
type keep struct {
	supervise.Late
	entry record
	from  *actor.PID
}

// quiet tells the crawl that nothing new has come for Config.Quiet.
type quiet struct{ supervise.Late }

// tick is the walker's timer to itself: a visit may be due, or the crawl may be over.
type tick struct {
	supervise.Late
	of *walker // identifies timers of an earlier incarnation
}

// From the archive.

// kept tells the walker that a batch of its entries is in the database.
type kept struct{ supervise.Late }

// writeFailed tells the crawl that the database can't be written.
type writeFailed struct {
	supervise.Late
	err error
}

// flush is the archive's timer to itself.
type flush struct{ supervise.Late }

// closeArchive makes the archive write its pending entries and stop.
type closeArchive struct{ supervise.Late }
