package supervise

import "github.com/asynkron/protoactor-go/actor"

// Same reports whether a and b are the same actor of this process. Either may be nil, where
// protoactor's Equal panics; the result is false then.
func Same(a, b *actor.PID) bool { return a != nil && b != nil && a.Id == b.Id }
