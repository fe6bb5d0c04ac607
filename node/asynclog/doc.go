// Package asynclog keeps a log from blocking the program: a terminal that is stopped, a full pipe
// or a slow handler delays no caller.
//
// [Wrap] makes such a handler of any slog.Handler, and a [Writer] such a writer of any io.Writer.
// Both queue what they get, and a goroutine writes it. The queue is bounded in bytes. Lines that
// find no room, and lines whose write fails, are dropped and counted. The log reports the count as
// soon as it can be written again. The goroutine runs only while something waits, so there is
// nothing to close. Flush waits, for a bounded time, until all is written.
package asynclog
