package history

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// EpochFile is an .ere file that was written.
type EpochFile struct {
	Path string
	Last common.Hash // of the last block
	Sum  common.Hash // SHA-256 of the file
}

// NetworkName returns the name that go-ethereum gives to a network in the names of files.
func NetworkName(chainID uint64) string {
	if name, ok := params.NetworkNames[strconv.FormatUint(chainID, 10)]; ok {
		return name
	}
	return "unknown"
}

// EreName returns the name of the .ere file of a network's epoch, by the hash of its last block.
func EreName(network string, epoch uint64, last common.Hash, receipts bool) string {
	profile := "noproofs"
	if !receipts {
		profile += "-noreceipts"
	}
	return fmt.Sprintf("%s-%05d-%x-%s.ere", network, epoch, last[:4], profile)
}

// EpochOf returns what the name of a file says: its network and its epoch. ok is false if the name
// is not that of an era1 or .ere file.
func EpochOf(name string) (network string, epoch uint64, ok bool) {
	if ext := filepath.Ext(name); ext != ".ere" && ext != ".era1" {
		return "", 0, false
	}
	fields := strings.Split(name, "-")
	if len(fields) < 3 {
		return "", 0, false
	}
	epoch, err := strconv.ParseUint(fields[1], 10, 64)
	return fields[0], epoch, err == nil
}

// tempPattern and tempSuffix make the names of files that are not whole yet.
const tempPattern, tempSuffix = ".epoch.*", ".troupe-tmp"

// RemoveTemps removes the files in a directory that WriteEpoch has begun in a process that was
// killed.
func RemoveTemps(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, tempPattern+tempSuffix))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// WriteEpoch writes an .ere file with the blocks of an epoch, all or the first ones, into a
// directory, under the name that go-ethereum gives it. A file with that name is replaced. The file
// appears whole: when WriteEpoch returns without an error it survives a power failure. found is
// called, unless nil, when the file is written and before it has its name.
func WriteEpoch(dir, network string, src Source, blocks Blocks, found func(EpochFile) error) (e EpochFile, err error) {
	if blocks.First%EpochSize != 0 {
		return e, fmt.Errorf("block %d is not the first of an epoch", blocks.First)
	}
	temp, e, err := writeTemp(dir, src, blocks)
	if err != nil {
		return e, err
	}
	e.Path = filepath.Join(dir, EreName(network, blocks.First/EpochSize, e.Last, !blocks.NoReceipts))
	if found != nil {
		err = found(e)
	}
	if err == nil {
		err = os.Rename(temp, e.Path)
	}
	if err != nil {
		return e, errors.Join(err, os.Remove(temp))
	}
	return e, syncDir(dir)
}

// writeTemp writes the file under another name. After an error there is no such file.
func writeTemp(dir string, src Source, blocks Blocks) (temp string, e EpochFile, err error) {
	f, err := os.CreateTemp(dir, tempPattern+tempSuffix)
	if err != nil {
		return "", e, err
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	e.Last, err = WriteEre(out, src, blocks)
	if err == nil {
		err = errors.Join(out.Flush(), f.Chmod(0o644), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", e, errors.Join(err, os.Remove(f.Name()))
	}
	sum.Sum(e.Sum[:0])
	return f.Name(), e, nil
}

// replace replaces a small file as a whole.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), tempPattern+tempSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
