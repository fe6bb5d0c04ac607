//go:build unix

package devnet

import "syscall"

// openFiles returns how many files the process may have open; 0: unknown. Go raises the soft limit
// to the hard one when a program starts.
func openFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur)
}
