package crawl

import "github.com/asynkron/protoactor-go/actor"

// This file has all messages of the crawl's actors, by sender. Those of discovery are in
// its own messages.go.

// late is embedded in messages that may find their receiver gone. It keeps protoactor
// from logging each of them as a dead letter.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// From outside to the crawl.

// finish ends the crawl, because its context has ended.
type finish struct{ late }

// From visits and the walker.

// visitDone is the result of a visit, from its goroutine to its actor and on to the walker.
type visitDone struct {
	late
	by     *actor.PID
	report report
}

// keep gives the archive a sighting or a report to write. The archive answers each batch
// with one kept.
type keep struct {
	late
	entry record
	from  *actor.PID
}

// quiet tells the crawl that nothing new has come for Config.Quiet.
type quiet struct{ late }

// tick is the walker's timer to itself: a visit may be due, or the crawl may be over.
type tick struct {
	late
	of *walker // identifies timers of an earlier incarnation
}

// From the archive.

// kept tells the walker that a batch of its entries is in the database.
type kept struct{ late }

// writeFailed tells the crawl that the database can't be written.
type writeFailed struct {
	late
	err error
}

// flush is the archive's timer to itself.
type flush struct{ late }

// closeArchive makes the archive write its pending entries and stop.
type closeArchive struct{ late }
