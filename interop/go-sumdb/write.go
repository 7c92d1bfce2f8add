package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// write makes a signed log of `count` entries, an older checkpoint of it, and a receipt; the public key goes to `vkey`.
func write(path string, count int64) error {
	skey, vkey, err := note.GenerateKey(rand.Reader, "go.example/log")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	entries := make([][]byte, count)
	for n := range entries {
		entries[n] = fmt.Appendf(nil, `{"written by":"go","n":%d}`, n)
	}
	hashes, err := memoryOf(entries)
	if err != nil {
		return err
	}
	log := folder(path)
	for _, tile := range tlog.NewTiles(height, 0, count) {
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return err
		}
		if err := save(log.path(tile), data); err != nil {
			return err
		}
	}
	for n := int64(0); n*256 < count; n++ {
		part := entries[n*256 : min(n*256+256, count)]
		var bundle []byte
		for _, entry := range part {
			bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
			bundle = append(bundle, entry...)
		}
		if err := save(log.path(tlog.Tile{H: height, L: -1, N: n, W: len(part)}), bundle); err != nil {
			return err
		}
	}
	index := count / 3
	proof, err := tlog.ProveRecord(count, index, hashes)
	if err != nil {
		return err
	}
	newest, err := sign(signer, count, hashes)
	if err != nil {
		return err
	}
	older, err := sign(signer, count*2/3, hashes)
	if err != nil {
		return err
	}
	receipt := fmt.Appendf(nil, "c2sp.org/tlog-proof@v1\nindex %d\n", index)
	for _, hash := range proof {
		receipt = fmt.Appendf(receipt, "%v\n", hash)
	}
	receipt = append(append(receipt, '\n'), newest...)
	for name, data := range map[string][]byte{"checkpoint": newest, "older": older, "vkey": []byte(vkey), "receipt.tlog-proof": receipt} {
		if err := save(filepath.Join(path, name), data); err != nil {
			return err
		}
	}
	fmt.Printf("pass  Go wrote %d entries, signed by %s\n", count, signer.Name())
	return nil
}

func sign(signer note.Signer, size int64, hashes tlog.HashReader) ([]byte, error) {
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%v\n", signer.Name(), size, root)}, signer)
}

func save(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
