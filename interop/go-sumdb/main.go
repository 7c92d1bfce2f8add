// Command go-sumdb checks a Safeconduct log with Go's checksum-database packages, which nobody here wrote:
// golang.org/x/mod/sumdb/note for signatures, golang.org/x/mod/sumdb/tlog for hashes, tiles and proofs.
// It also writes a log with them, for our own verifier to check. See ../README.md.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: go-sumdb check|write [flags]"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	folder := flags.String("log", "", "folder with checkpoint, tile/ and tile/entries/")
	switch os.Args[1] {
	case "check":
		vkey := flags.String("vkey", "", "public note key of the log")
		older := flags.String("older", "", "file with an older checkpoint of the log")
		flags.Parse(os.Args[2:])
		if !check(*folder, *vkey, *older, flags.Args()) {
			os.Exit(1)
		}
	case "write":
		count := flags.Int64("entries", 10000, "number of entries")
		flags.Parse(os.Args[2:])
		if err := write(*folder, *count); err != nil {
			fail(err)
		}
	default:
		fail(fmt.Errorf("no command %q", os.Args[1]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "go-sumdb:", err)
	os.Exit(2)
}
