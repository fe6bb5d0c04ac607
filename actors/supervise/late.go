package supervise

// Late is embedded by messages that may arrive after their receiver has stopped.
// protoactor then logs no dead letter, because losing such a message is no error.
type Late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (Late) IgnoreDeadLetterLogging() {}
