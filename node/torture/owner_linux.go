package torture

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processOf returns the process that serves the other end of a unix socket. It is zero if that
// process is not visible from this one's PID namespace.
func processOf(conn *net.UnixConn) (p process, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return p, err
	}
	var cred *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return p, err
	}
	if failed != nil || cred.Pid <= 0 {
		return p, failed
	}
	p.pid = int(cred.Pid)
	p.start, err = startOf(p.pid)
	return p, err
}

// startOf returns the start time of a process, in the kernel's ticks.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the name in parentheses, which may contain spaces. The start is field 22.
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields)+2)
	}
	return fields[19], nil
}

// has checks that an address is one of the network in which the process runs.
func (p process) has(addr netip.Addr) error {
	if p.pid == 0 {
		local, err := ownAddrs()
		if err != nil {
			return err
		}
		return refuseForeign(addr, local, true)
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p.pid))
	if err != nil {
		return err
	}
	if ours == theirs {
		local, err := ownAddrs()
		if err != nil {
			return err
		}
		return refuseForeign(addr, local, true)
	}
	local, err := addrsOf(p.pid)
	if err != nil {
		return err
	}
	return refuseForeign(addr, local, false)
}

// addrsOf lists the addresses of the network in which a process runs.
func addrsOf(pid int) (list []netip.Addr, err error) {
	for file, parse := range map[string]func(*bufio.Scanner) []netip.Addr{"fib_trie": localsV4, "if_inet6": localsV6} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		if errors.Is(err, fs.ErrNotExist) { // without IPv6 there is no if_inet6
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		list = append(list, parse(lines)...)
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// localsV4 reads fib_trie: an address in one line, and "/32 host LOCAL" in the next.
func localsV4(lines *bufio.Scanner) (list []netip.Addr) {
	last := ""
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.Contains(line, "/32 host LOCAL") {
			if a, err := netip.ParseAddr(last); err == nil {
				list = append(list, a)
			}
		}
		last = strings.TrimSpace(strings.TrimPrefix(line, "|--"))
	}
	return list
}

// localsV6 reads if_inet6: 32 hexadecimal digits, and further fields.
func localsV6(lines *bufio.Scanner) (list []netip.Addr) {
	for lines.Scan() {
		digits, _, _ := strings.Cut(lines.Text(), " ")
		if b, err := hex.DecodeString(digits); err == nil {
			if a, ok := netip.AddrFromSlice(b); ok {
				list = append(list, a)
			}
		}
	}
	return list
}

// resident returns the memory of a process that is in RAM, in bytes. ok is false if the process is
// not visible or has ended.
func (p process) resident() (bytes int, ok bool) {
	if p.pid == 0 {
		return 0, false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, false
	}
	_, after, found := strings.Cut(string(status), "VmRSS:")
	digits, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	kib, err := strconv.Atoi(digits)
	return kib << 10, found && err == nil
}
