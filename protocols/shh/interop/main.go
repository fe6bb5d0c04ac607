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
	return fmt.Errorf("want node or vectors, not %q", args)
}
