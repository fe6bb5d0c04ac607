package history

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Report is what List or Verify found out about the files of a directory.
type Report struct {
	// Files are the histories, by their first blocks. Files that cannot be opened are in LeftOut.
	Files   []FileReport `json:"files"`
	LeftOut []LeftOut    `json:"leftOut,omitempty"`
	// Gaps are the blocks between the first and the last one that no file has.
	Gaps []Range `json:"gaps,omitempty"`
	// Overlaps are the blocks that two files both have, alike or not.
	Overlaps []Overlap `json:"overlaps,omitempty"`
	// Problems concern more than one file: links between them, or checksums.txt.
	Problems []string `json:"problems,omitempty"`
	// Checksums says that there is a checksums.txt that was compared with the files.
	Checksums bool `json:"checksums"`
	// Unfinished says that the directory has the journal of a download that has not ended.
	Unfinished bool `json:"unfinished,omitempty"`
}

// FileReport is what is known of one file.
type FileReport struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"` // in bytes
	First    uint64 `json:"first"`
	Count    uint64 `json:"count"`
	Receipts bool   `json:"receipts"`
	Lists    bool   `json:"accessLists"`
	// TotalDifficulty says that the file has the total difficulty with each block.
	TotalDifficulty bool        `json:"totalDifficulty"`
	Parent          common.Hash `json:"parent"` // of the first block
	Last            common.Hash `json:"last"`   // hash of the last block
	// Accumulator is the root over the blocks before the Merge, as the file has it and as Verify
	// has computed it. It is nil if the file has none.
	Accumulator *common.Hash `json:"accumulator,omitempty"`
	// Verified is the number of blocks whose parts all have the roots of their header.
	Verified uint64 `json:"verified"`
	// Problems are what is wrong in the file, at most MaxProblems.
	Problems []string `json:"problems,omitempty"`

	before, total *big.Int // total difficulty before the first block, and with the last; nil if not known
}

// MaxProblems is how many problems of one file are named.
const MaxProblems = 10

// Range are blocks with consecutive numbers.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// Overlap is a range of blocks that two files have.
type Overlap struct {
	Range
	Paths [2]string `json:"paths"`
	// Differs is the first block that is not the same in both, or nil.
	Differs *uint64 `json:"differs,omitempty"`
}

// LastNumber returns the number of the last block.
func (r *FileReport) LastNumber() uint64 { return r.First + r.Count - 1 }

// Good reports whether nothing is wrong in the file.
func (r *FileReport) Good() bool { return len(r.Problems) == 0 }

// problem notes what is wrong. It returns false when no more can be noted.
func (r *FileReport) problem(err error) bool {
	if len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, err.Error())
	}
	return len(r.Problems) < MaxProblems
}

// Good reports whether nothing is wrong. Gaps are not, nor overlaps with the same blocks.
func (r *Report) Good() bool {
	for i := range r.Files {
		if !r.Files[i].Good() {
			return false
		}
	}
	for i := range r.Overlaps {
		if r.Overlaps[i].Differs != nil {
			return false
		}
	}
	return len(r.LeftOut) == 0 && len(r.Problems) == 0
}

// describe reads the ends of a file.
func describe(f *File, size int64) (r FileReport, err error) {
	r = FileReport{Path: f.path, Size: size, Receipts: f.Has(chain.Receipts), Lists: f.Has(chain.AccessList), TotalDifficulty: f.Has(chain.Difficulty)}
	r.First, r.Count = f.Span()
	first, _, err := f.Header(r.First)
	if err != nil {
		return r, err
	}
	r.Parent = first.ParentHash
	if _, r.Last, err = f.Header(r.LastNumber()); err != nil || !f.Has(chain.Difficulty) {
		return r, err
	}
	if r.before, err = f.TotalDifficulty(r.First); err != nil {
		return r, err
	}
	r.before.Sub(r.before, first.Difficulty)
	r.total, err = f.TotalDifficulty(r.LastNumber())
	return r, err
}
