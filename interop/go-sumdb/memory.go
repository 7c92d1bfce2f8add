package main

import "golang.org/x/mod/sumdb/tlog"

// memory is a tree's hashes as Go's package numbers them, computed from the entries alone.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = m[index]
	}
	return hashes, nil
}

func memoryOf(entries [][]byte) (memory, error) {
	var hashes memory
	for n, entry := range entries {
		stored, err := tlog.StoredHashes(int64(n), entry, hashes)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, stored...)
	}
	return hashes, nil
}
