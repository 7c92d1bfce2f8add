#!/bin/sh
# Two servers behind HAProxy, with deploy/haproxy as it is. Needs HAProxy 2.4 or newer and OpenSSL on the path, and the addresses
# 127.0.0.1 to 127.0.0.3 (Linux has them). One line per step; exit 0 if all pass.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH="$here/../../node_modules/.bin:$PATH"
haproxy -v | head -n 1
exec node --conditions=source "$here/play.ts"
