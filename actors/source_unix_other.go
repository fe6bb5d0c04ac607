//go:build unix && !(linux && (amd64 || arm64))

package actors

func readable(uintptr) bool { return true }
