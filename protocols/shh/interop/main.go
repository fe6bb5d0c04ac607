package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 {
		switch args[0] {
		case "node":
			return serve()
		case "vectors":
			return printVectors(os.Stdout)
		}
	}
	if len(args) == 3 && args[0] == "client" {
		return useClient(args[1], args[2])
	}
	return fmt.Errorf("want node, vectors or client SOCKET PEER, not %q", args)
}
