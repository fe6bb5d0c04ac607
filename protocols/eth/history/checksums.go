package history

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// ChecksumsName is the name of the file with the SHA-256 of each era1 and .ere file of a directory,
// in the order of their names. go-ethereum's export writes one hash a line, and its import wants
// that form; the sites that publish era1 files add each file's name.
const ChecksumsName = "checksums.txt"

// maxChecksums is the size of that file in bytes.
const maxChecksums = 16 << 20

// ErrChecksums says that a checksums.txt is not of the files beside it.
var ErrChecksums = errors.New("checksums.txt does not fit the files")

// Sums are the SHA-256 of files by their names.
type Sums map[string]common.Hash

// eraFiles returns the names of the era1 and .ere files in a directory, in their order.
func eraFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if _, _, ok := EpochOf(e.Name()); ok && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// ReadChecksums reads the checksums.txt of a directory. Without names in it, the lines are those of
// the era1 and .ere files in the order of their names; if there are more or fewer files, the error is
// ErrChecksums. If there is no checksums.txt, the result is nil, without an error.
func ReadChecksums(dir string) (Sums, error) {
	f, err := os.Open(filepath.Join(dir, ChecksumsName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files, err := eraFiles(dir)
	if err != nil {
		return nil, err
	}
	sums, unnamed, err := parseChecksums(io.LimitReader(f, maxChecksums))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if len(unnamed) == 0 {
		return sums, nil
	}
	if len(unnamed) != len(files) || len(sums) > 0 {
		return nil, fmt.Errorf("%s: %w: %d lines for %d files", f.Name(), ErrChecksums, len(unnamed)+len(sums), len(files))
	}
	for i, name := range files {
		sums[name] = unnamed[i]
	}
	return sums, nil
}

// parseChecksums reads lines with a hash, and lines with a hash and a name.
func parseChecksums(r io.Reader) (named Sums, unnamed []common.Hash, err error) {
	named = Sums{}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		b, err := hex.DecodeString(strings.TrimPrefix(fields[0], "0x"))
		if err != nil || len(b) != sha256.Size || len(fields) > 2 {
			return nil, nil, fmt.Errorf("line %d: not a SHA-256 in hexadecimal, with or without a name", number)
		}
		if len(fields) == 1 {
			unnamed = append(unnamed, common.Hash(b))
			continue
		}
		named[strings.TrimPrefix(fields[1], "*")] = common.Hash(b)
	}
	return named, unnamed, lines.Err()
}

// WriteChecksums replaces the checksums.txt of a directory, in go-ethereum's form. A file whose sum
// is not among the known ones is read. WriteChecksums returns the sums of all files, or ctx's error
// if it ends.
func WriteChecksums(ctx context.Context, dir string, known Sums) (Sums, error) {
	names, err := eraFiles(dir)
	if err != nil {
		return nil, err
	}
	sums := Sums{}
	var lines []string
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		sum, ok := known[name]
		if !ok {
			if sum, err = SumFile(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
		sums[name] = sum
		lines = append(lines, sum.Hex())
	}
	content := []byte(strings.Join(lines, "\n"))
	path := filepath.Join(dir, ChecksumsName)
	if was, err := os.ReadFile(path); err == nil && bytes.Equal(was, content) {
		return sums, nil
	}
	return sums, replace(path, content)
}

// SumFile returns the SHA-256 of a file.
func SumFile(path string) (sum common.Hash, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return common.Hash(h.Sum(nil)), nil
}

// Missing returns the names of files that the sums have and a directory does not, in their order.
func (s Sums) Missing(dir string) (names []string) {
	for name := range s {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
