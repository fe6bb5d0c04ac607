package node

import "time"

var epoch = time.Unix(1_000_000, 0)
