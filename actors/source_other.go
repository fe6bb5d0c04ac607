//go:build !unix

package actors

import "io"

func newSource(conn io.Reader) source { return blockingSource{conn} }
