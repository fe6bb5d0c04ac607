// Package window keeps the end of the chain: the last headers, and bodies and receipts of the last
// blocks, bounded in bytes. With the files below it, it is the source of what a node serves.
//
// A [Window] takes the branch that the head's election decides for, says which headers and parts are
// missing, and takes them as package verify has checked them. It sends no requests. Its methods may
// be called from any goroutine; none blocks on anything but the files, and those that only change
// the window do not read them.
package window
