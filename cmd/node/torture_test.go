package main

import (
	"strings"
	"testing"
)

// TestTortureCommand: the report of a short attack, and the exit codes.
func TestTortureCommand(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--datadir", dir)
	// Resident memory is not bounded here: under the race detector it grows by the detector's own.
	quick := []string{"torture", "--attack", "twice,v4", "--attackers", "1", "--honest", "1", "--duration", "200ms", "--bound.rate", "0", "--bound.memory", "0", "--bound.left", "0"}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--target.datadir", dir, p.enode}, exitOK, "already connected"},
		{[]string{"--target.datadir", dir, "--bound.rate", "1e9", p.enode}, exitRefused, "BROKEN: honest links kept"},
		{[]string{"--target.datadir", dir, "--json", p.enode}, exitOK, `"notRun": "the node has no discovery"`},
		{[]string{"--target.datadir", t.TempDir(), p.enode}, exitFailed, "refused: not proved to be your node: no node serves the socket"},
		{[]string{p.enode}, exitUsage, "--target.datadir is missing: it proves that the node is yours"},
		{[]string{"--target.datadir", dir, "--attack", "nukes", p.enode}, exitUsage, "unknown attack"},
		{[]string{"--target.datadir", dir, "--rate", "pings", p.enode}, exitUsage, "want NAME=NUMBER"},
		{[]string{"--target.datadir", dir, "--rate", "pings=-1", p.enode}, exitUsage, "rate of pings -1"},
		{[]string{"--target.datadir", dir, "--from", "nowhere", p.enode}, exitUsage, "--from"},
		{[]string{"--target.datadir", dir}, exitUsage, "takes 1 arguments"},
	} {
		code, out, log := shell(nil, append(quick[:len(quick):len(quick)], tt.args...)...)
		if code != tt.code || !strings.Contains(out+log, tt.want) {
			t.Errorf("%q: exit code %d, want %d and %q\n%s%s", tt.args, code, tt.code, tt.want, out, log)
		}
	}
}
