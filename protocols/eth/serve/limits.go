package serve

// The limits of an answer are those of go-ethereum v1.17.10. Other clients expect no more.
const (
	// MaxMessage is the size of a message in bytes, beyond which go-ethereum ends the link.
	MaxMessage = 10 << 20
	// softLimit is the size of an answer in bytes from which on nothing is added.
	softLimit = 2 << 20
	// MaxItems is the number of headers, bodies, receipt lists or block access lists.
	MaxItems = 1024
	// overhead is more than a message has around its list: list headers, request ID and flag.
	overhead = 32
)
