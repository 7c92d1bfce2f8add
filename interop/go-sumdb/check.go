package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// check prints one line per step and returns whether all passed. Steps after a failed one that they need are not run.
func check(path, vkey, older string, receipts []string) bool {
	log := folder(path)
	passed := true
	step := func(what string, work func() (string, error)) bool {
		detail, err := work()
		if err != nil {
			fmt.Printf("FAIL  %s: %v\n", what, err)
			passed = false
			return false
		}
		fmt.Printf("pass  %s: %s\n", what, detail)
		return true
	}

	var verifier note.Verifier
	var tree tlog.Tree
	var entries [][]byte
	opened := step("checkpoint signature (note.Open)", func() (string, error) {
		var err error
		if verifier, err = note.NewVerifier(vkey); err != nil {
			return "", err
		}
		signed, err := os.ReadFile(filepath.Join(path, "checkpoint"))
		if err != nil {
			return "", err
		}
		tree, err = checkpoint(signed, verifier)
		return fmt.Sprintf("%s, %d entries, root %v", verifier.Name(), tree.N, tree.Hash), err
	})
	if !opened {
		return false
	}
	hashes := tlog.TileHashReader(tree, log)
	read := step("every entry in its bundle", func() (string, error) {
		var err error
		entries, err = log.entries(tree.N)
		if err == nil && tree.N == 0 {
			err = fmt.Errorf("the log is empty")
		}
		return fmt.Sprintf("%d entries", len(entries)), err
	})
	if !read {
		return false
	}
	step("every entry against its tile (tlog.TileHashReader)", func() (string, error) {
		return fmt.Sprintf("%d leaf hashes", len(entries)), leavesMatch(entries, hashes)
	})
	var own memory
	step("root of all entries (tlog.StoredHashes, tlog.TreeHash)", func() (string, error) {
		var err error
		if own, err = memoryOf(entries); err != nil {
			return "", err
		}
		root, err := tlog.TreeHash(int64(len(entries)), own)
		if err == nil && root != tree.Hash {
			err = fmt.Errorf("it is %v", root)
		}
		return "the signed one", err
	})
	step("2,000 random inclusion proofs (tlog.ProveRecord, CheckRecord)", func() (string, error) {
		for range 2000 {
			n := rand.Int64N(tree.N)
			proof, err := tlog.ProveRecord(tree.N, n, hashes)
			if err == nil {
				err = tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(entries[n]))
			}
			if err != nil {
				return "", fmt.Errorf("entry %d: %w", n, err)
			}
		}
		return "all hold", nil
	})
	step("200 random consistency proofs (tlog.ProveTree, CheckTree)", func() (string, error) {
		for range 200 {
			n := 1 + rand.Int64N(tree.N)
			root, err := tlog.TreeHash(n, own)
			if err == nil {
				err = consistent(tlog.Tree{N: n, Hash: root}, tree, hashes)
			}
			if err != nil {
				return "", fmt.Errorf("from %d: %w", n, err)
			}
		}
		return "all hold", nil
	})
	if older != "" {
		step("consistency with the older signed checkpoint", func() (string, error) {
			signed, err := os.ReadFile(older)
			if err != nil {
				return "", err
			}
			old, err := checkpoint(signed, verifier)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d to %d entries", old.N, tree.N), consistent(old, tree, hashes)
		})
	}
	for _, file := range receipts {
		step("receipt "+filepath.Base(file), func() (string, error) {
			detail, of, err := receipt(file, verifier, entries)
			if err == nil && of.N <= tree.N {
				// The tree that the receipt speaks of is one that this log has been.
				err = consistent(of, tree, hashes)
			}
			return detail, err
		})
	}
	return passed
}

func leavesMatch(entries [][]byte, hashes tlog.HashReader) error {
	for from := 0; from < len(entries); from += 256 {
		part := entries[from:min(from+256, len(entries))]
		indexes := make([]int64, len(part))
		for i := range part {
			indexes[i] = tlog.StoredHashIndex(0, int64(from+i))
		}
		stored, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range part {
			if tlog.RecordHash(entry) != stored[i] {
				return fmt.Errorf("entry %d is not the one in the tree", from+i)
			}
		}
	}
	return nil
}

func consistent(old, tree tlog.Tree, hashes tlog.HashReader) error {
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

// receipt verifies a C2SP tlog-proof for the entry that the log has at its index, and the entry that it carries, if any.
func receipt(file string, verifier note.Verifier, entries [][]byte) (string, tlog.Tree, error) {
	var tree tlog.Tree
	text, err := os.ReadFile(file)
	if err != nil {
		return "", tree, err
	}
	head, signed, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return "", tree, fmt.Errorf("not a tlog-proof")
	}
	lines = lines[1:]
	extra, carries := strings.CutPrefix(lines[0], "extra ")
	if carries {
		lines = lines[1:]
	}
	var index int64
	if _, err := fmt.Sscanf(lines[0], "index %d", &index); err != nil {
		return "", tree, err
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return "", tree, err
		}
		proof = append(proof, hash)
	}
	if tree, err = checkpoint(signed, verifier); err != nil {
		return "", tree, err
	}
	if index >= int64(len(entries)) {
		return "", tree, fmt.Errorf("the log has no entry %d", index)
	}
	entry, detail := entries[index], fmt.Sprintf("entry %d of %d", index, tree.N)
	if carries {
		if entry, err = base64.StdEncoding.DecodeString(extra); err != nil {
			return "", tree, err
		}
		detail += ", by the bytes it carries"
	}
	return detail, tree, tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}
