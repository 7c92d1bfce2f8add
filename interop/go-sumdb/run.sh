#!/bin/sh
# Runs our logs against Go's checksum-database packages, and theirs against ours. One line per step; exit 0 if all pass.
#   run.sh                                             the log of a server started here, one made without, and Go's own
#   run.sh <folder> <vkey> [<older>] [<receipt> …]     an exported log, an older checkpoint ("" for none), receipts
# Needs Go 1.26 or newer (GO names it if it is not on the path) and the Go module proxy, once. ENTRIES sets the sizes.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
PATH="$root/node_modules/.bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
entries=${ENTRIES:-10123}

step() { "$@" || status=1; }
refused() {
  what=$1
  shift
  if output=$("$@" 2>&1); then
    echo "FAIL  $what was accepted"
    status=1
  else
    echo "pass  $what is refused: $(echo "$output" | grep -m 1 -o 'FAIL.*' | cut -c 7-)"
  fi
}
# overwrite <file>: four bytes of it, in place
overwrite() { printf 'XXXX' | dd of="$1" bs=1 seek=40 conv=notrunc 2>/dev/null; }
first_file() { find "$1" -type f | sort | head -n 1; }

# go_checks <folder> <vkey> <older> [<receipt> …]
go_checks() {
  log=$1 vkey=$2 older=$3
  shift 3
  echo "# Go checks it"
  step "$work/go-sumdb" check -log "$log" -vkey "$vkey" -older "$older" "$@"
  echo "# Go's checks can fail"
  cp -r "$log" "$work/forged"
  overwrite "$(first_file "$work/forged/tile/entries")"
  refused "a changed piece of an entry" "$work/go-sumdb" check -log "$work/forged" -vkey "$vkey"
  rm -r "$work/forged" && cp -r "$log" "$work/forged"
  overwrite "$(first_file "$work/forged/tile/0")"
  refused "a changed hash of a tile" "$work/go-sumdb" check -log "$work/forged" -vkey "$vkey"
  rm -r "$work/forged" && cp -r "$log" "$work/forged"
  sed -i.bak '2s/$/0/' "$work/forged/checkpoint"
  refused "a changed line of the checkpoint" "$work/go-sumdb" check -log "$work/forged" -vkey "$vkey"
  rm -r "$work/forged"
}

(cd "$here" && "${GO:-go}" build -o "$work/go-sumdb" .) || exit 2
"${GO:-go}" version
echo "golang.org/x/mod $(cd "$here" && "${GO:-go}" list -m -f '{{.Version}}' golang.org/x/mod), node $(node --version)"

if [ $# -ge 2 ]; then
  log=$1 vkey=$2 older=${3:-}
  shift $(($# < 3 ? $# : 3))
  go_checks "$log" "$vkey" "$older" "$@"
else
  echo "## The log of a server"
  step node --conditions=source "$here/from-server.ts" --to "$work/server" --entries "$entries"
  go_checks "$work/server/log" "$(cat "$work/server/log.vkey")" "$work/server/older" "$work/server"/*.tlog-proof
  echo "## A log written with our library alone"
  step node --conditions=source "$here/make-log.ts" --log "$work/ours" --entries "$entries"
  go_checks "$work/ours" "$(cat "$work/ours/vkey")" "$work/ours/older" "$work/ours"/*.tlog-proof
  echo "## A log written by Go"
  step "$work/go-sumdb" write -log "$work/theirs" -entries "$entries"
  step node --conditions=source "$here/verify-log.ts" --log "$work/theirs"
  overwrite "$(first_file "$work/theirs/tile/entries")"
  refused "a changed piece of Go's log" node --conditions=source "$here/verify-log.ts" --log "$work/theirs"
fi

[ $status -eq 0 ] && echo "all steps passed" || echo "SOME STEPS FAILED"
exit $status
