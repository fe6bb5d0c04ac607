//go:build !unix

package actors

import "net"

func newSource(conn net.Conn) source { return blockingSource{conn} }
