// Package storm has only tests: a node whose actors all crash many times a second, and a node whose
// whole public API is called at random, both with links under load. No message and no link may be
// lost, calls must return in time, and at the end nothing may be left.
//
//	go test ./node/storm
//
// This takes some seconds. TROUPE_STORM sets the time of each test, and TROUPE_STORM_SEED the seed
// of the random calls, which each run prints:
//
//	TROUPE_STORM=2m go test -v -timeout 10m -run Chaos ./node/storm
//	TROUPE_STORM=5m go test -v -timeout 20m -race -run Calls ./node/storm
package storm
