package nat

import (
	"fmt"
	"os"
)

// defaultRoutes reads the kernel's routing table.
func defaultRoutes() ([]route, error) {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("can't read the routing table: %w", err)
	}
	return parseRoutes(string(table)), nil
}
