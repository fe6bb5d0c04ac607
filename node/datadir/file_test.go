package datadir

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The error of a removal does not hide why the file was removed.
func TestCauseTellsFirst(t *testing.T) {
	rename := &os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EXDEV}
	remove := &fs.PathError{Op: "remove", Path: "a", Err: syscall.EACCES}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"one":            {rename, syscall.EXDEV.Error()},
		"none to remove": {errors.Join(rename, nil), syscall.EXDEV.Error()},
		"two":            {errors.Join(rename, remove), syscall.EXDEV.Error() + "\n" + syscall.EACCES.Error()},
		"twice the same": {errors.Join(remove, remove), syscall.EACCES.Error()},
		"within another": {errors.Join(errors.Join(rename, nil), remove), syscall.EXDEV.Error() + "\n" + syscall.EACCES.Error()},
	} {
		got := cause(tt.err)
		if got.Error() != tt.want || !errors.Is(got, syscall.EXDEV) && strings.Contains(tt.want, syscall.EXDEV.Error()) {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
}
