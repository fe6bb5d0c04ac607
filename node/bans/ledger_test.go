package bans

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// ledgerIn makes a ledger that keeps its bans in a file of a new directory.
func ledgerIn(t *testing.T) (l *Ledger, file string) {
	t.Helper()
	l, file = NewLedger(supervise.SystemClock), filepath.Join(t.TempDir(), fileName)
	if err := l.Restore(file, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return l, file
}

// answer returns the answer that must be there.
func answer(t *testing.T, kept <-chan error) error {
	t.Helper()
	select {
	case err := <-kept:
		return err
	default:
		t.Error("no answer")
		return nil
	}
}

// bansOf makes n bans, and returns who waits for them.
func bansOf(l *Ledger, n int) (waiting []<-chan error) {
	for i := range n {
		_, kept := l.Ban(ByID(enode.ID{byte(i + 1)}), time.Hour, "test")
		waiting = append(waiting, kept)
	}
	return waiting
}

func TestManyBansShareOneWrite(t *testing.T) {
	l, file := ledgerIn(t)
	waiting := bansOf(l, 100)
	for _, kept := range waiting {
		if len(kept) != 0 {
			t.Fatal("an answer before the file was written")
		}
	}
	for range 100 { // one message for each ban
		l.Save(false)
	}
	for _, kept := range waiting {
		if err := answer(t, kept); err != nil {
			t.Error(err)
		}
	}
	list, _, err := read(file)
	if s := l.State(); s.Writes != 1 || len(list) != 100 {
		t.Errorf("%d writes, %d bans in the file, %v; want 1 and 100", s.Writes, len(list), err)
	}
}

func TestBansThatCantBeWritten(t *testing.T) {
	l, file := ledgerIn(t)
	if err := os.MkdirAll(filepath.Join(file, "full"), 0o700); err != nil { // no file can replace it
		t.Fatal(err)
	}
	waiting := bansOf(l, 100)
	for range 100 {
		l.Save(false)
	}
	for _, kept := range waiting {
		if answer(t, kept) == nil {
			t.Error("a ban that was not written is acknowledged")
		}
	}
	if s := l.State(); s.Writes != 1 || s.WriteErrs != 1 || s.Bans != 100 {
		t.Errorf("state %+v, want one failure for all, and the bans in force", s)
	}
	if lifted, kept := l.Lift(ByID(enode.ID{200})); lifted || answer(t, kept) != nil {
		t.Error("a ban that never was: lifted, or the answer waits for the file")
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	if l.Save(false) {
		t.Error("written again without a reason")
	}
	if !l.Save(true) {
		t.Error("not written again")
	}
	if list, _, err := read(file); len(list) != 100 {
		t.Errorf("%d bans in the file, want 100: %v", len(list), err)
	}
	_, kept := l.Lift(ByID(enode.ID{200}))
	if err := answer(t, kept); err != nil {
		t.Error("an answer must not wait for a file that is up to date")
	}
}

// A ban that was lifted and that the file has still is lifted for good when the file is written.
func TestLiftAgainAfterAFailure(t *testing.T) {
	l, file := ledgerIn(t)
	target := ByID(enode.ID{1})
	bansOf(l, 1)
	if !l.Save(false) {
		t.Fatal("not written")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(file), os.MkdirAll(filepath.Join(file, "full"), 0o700)); err != nil { // no file can replace it
		t.Fatal(err)
	}
	for i := range 2 {
		lifted, kept := l.Lift(target)
		l.Save(false)
		if lifted != (i == 0) || answer(t, kept) == nil {
			t.Errorf("attempt %d: lifted: %v, or acknowledged though the file has the ban", i, lifted)
		}
	}
	if err := errors.Join(os.RemoveAll(file), os.WriteFile(file, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	lifted, kept := l.Lift(target)
	l.Save(true)
	if lifted || answer(t, kept) != nil {
		t.Error("not acknowledged when the file was written")
	}
	if list, _, err := read(file); len(list) != 0 || err != nil {
		t.Errorf("the file has %v, %v", list, err)
	}
}

func TestClosedLedger(t *testing.T) {
	l, file := ledgerIn(t)
	before := bansOf(l, 1)[0]
	l.Close()
	after := bansOf(l, 1)[0]
	for _, kept := range []<-chan error{before, after} {
		if err := answer(t, kept); !errors.Is(err, errClosed) {
			t.Errorf("%v, want %v", err, errClosed)
		}
	}
	l.Save(true)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a closed ledger was written: %v", err)
	}
}

func TestLedgerWithoutAFile(t *testing.T) {
	l := NewLedger(supervise.SystemClock)
	if err := answer(t, bansOf(l, 1)[0]); err != nil {
		t.Error(err)
	}
}
