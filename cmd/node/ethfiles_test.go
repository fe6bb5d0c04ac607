package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// historyFiles returns a directory with copies of files, which a test may change.
func historyFiles(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var testChain = filepath.Join("..", "..", "protocols", "eth", "history", "testdata", "unknown-00000-9d78f735-noproofs.ere")

func TestHistoryCommands(t *testing.T) {
	sepolia := ethtest.Samples(t)
	for _, tt := range []struct {
		name       string
		files      []string
		change     func(dir string) error
		ls, verify int
		lsOut      string // what ls prints
		verifyOut  string
	}{
		{"good", []string{testChain, ethtest.Chain(t, "chain.rlp")}, nil, exitOK, exitOK, "0-600 ", "ok     unknown-00000-9d78f735-noproofs.ere: blocks 0 to 600, the last is 0x9d78f735"},
		{"overlap", []string{testChain, ethtest.Chain(t, "chain.rlp")}, nil, exitOK, exitOK, "overlap: unknown-00000-9d78f735-noproofs.ere and chain.rlp have the same blocks 1 to 600", "overlap: "},
		{"checksums", []string{testChain}, func(dir string) error { _, err := history.WriteChecksums(t.Context(), dir, nil); return err }, exitOK, exitOK, "0-600 ", "compared with checksums.txt"},
		{"gap", []string{sepolia[1], testChain}, nil, exitOK, exitOK, "gap: blocks 601 to 172031\n", "gap: blocks 601 to 172031\n"},
		{"other chain", []string{sepolia[0], testChain}, nil, exitFailed, exitFailed, "have different blocks from 0 to 600", "WRONG: sepolia-00000-643a00f7.era1 and unknown-"},
		{"cut", []string{testChain}, func(dir string) error {
			return os.Truncate(filepath.Join(dir, filepath.Base(testChain)), 1000)
		}, exitFailed, exitFailed, "WRONG: unknown-00000-9d78f735-noproofs.ere cannot be used: ", "WRONG  unknown-00000-9d78f735-noproofs.ere: cannot be used\n"},
		{"a changed byte", []string{testChain}, func(dir string) error {
			path := filepath.Join(dir, filepath.Base(testChain))
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			totals := bytes.Index(b, []byte{6, 0, 32, 0, 0, 0, 0, 0}) // the receipts of block 600 end before them
			b[totals-1] ^= 1
			return os.WriteFile(path, b, 0o600)
		}, exitOK, exitFailed, "0-600 ", "WRONG  unknown-00000-9d78f735-noproofs.ere: 600 of 601 blocks are right"},
		{"checksum", []string{testChain}, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "checksums.txt"), bytes.Repeat([]byte("ab"), 32), 0o600)
		}, exitOK, exitFailed, "0-600 ", "SHA-256 "},
		{"unfinished", []string{testChain}, func(dir string) error { return os.Mkdir(filepath.Join(dir, history.JournalDir), 0o700) }, exitOK, exitOK, "has not ended", "has not ended"},
		{"nothing", nil, nil, exitFailed, exitFailed, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := historyFiles(t, tt.files...)
			if tt.change != nil {
				if err := tt.change(dir); err != nil {
					t.Fatal(err)
				}
			}
			if code, out, errs := shell(nil, "eth", "ls", dir); code != tt.ls || !strings.Contains(out, tt.lsOut) {
				t.Errorf("ls: exit code %d, want %d, and %q in\n%s%s", code, tt.ls, tt.lsOut, out, errs)
			}
			code, out, errs := shell(nil, "eth", "verify", dir)
			if code != tt.verify || !strings.Contains(out, tt.verifyOut) {
				t.Errorf("verify: exit code %d, want %d, and %q in\n%s%s", code, tt.verify, tt.verifyOut, out, errs)
			}
			if (code != exitOK) != (errs != "") {
				t.Errorf("exit code %d and the error %q", code, errs)
			}
		})
	}
}

func TestHistoryCommandsAsJSON(t *testing.T) {
	dir := historyFiles(t, testChain)
	for _, command := range []string{"ls", "verify"} {
		code, out, errs := shell(nil, "eth", command, "--json", dir)
		var r history.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || len(r.Files) != 1 || r.Files[0].Count != 601 {
			t.Errorf("%s: exit code %d, %v, %s%s", command, code, err, out, errs)
		}
	}
}

func TestHistoryCommandsUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"ls"}, exitUsage}, {[]string{"verify", "a", "b"}, exitUsage}, {[]string{"verify", testChain}, exitFailed}, {[]string{"ls", "none"}, exitFailed},
	} {
		if code, _, errs := shell(nil, append([]string{"eth"}, tt.args...)...); code != tt.code || errs == "" {
			t.Errorf("%q: exit code %d, %s", tt.args, code, errs)
		}
	}
}
