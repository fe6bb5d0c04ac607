package supervise

import "github.com/asynkron/protoactor-go/actor"

// Same compares two actors of this process. Either may be nil, where protoactor's Equal
// panics; nil is the same as nothing.
func Same(a, b *actor.PID) bool { return a != nil && b != nil && a.Id == b.Id }
