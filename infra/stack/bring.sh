#!/bin/sh
# Brings what npm cannot: sh infra/stack/bring.sh kafka|s3|xgboost ...
# Everything goes to one cache for all clones (${XDG_CACHE_HOME:-~/.cache}/tidemark); what is there is
# not brought again. Two runs at once wait for each other; a run that was killed leaves nothing half.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
tools="${XDG_CACHE_HOME:-$HOME/.cache}/tidemark"
kafka_version=4.4.0
versitygw_version=1.8.0
xgboost_version=3.2.0
xgboost_sha256=9c10b1653e1a689bf4094a328144cf3633c9be0e5217a76fbdc2fde6abcb2950
mkdir -p "$tools"

say() { echo "set-up: $*" >&2; }
fail() { say "$1"; shift; for line in "$@"; do say "  $line"; done; exit 1; }

# Installs Debian packages when we may, else prints the one command to run.
apt_install() {
  command="apt-get install -y --no-install-recommends $*"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "this machine lacks: $*. Install it and run this again, on Debian or Ubuntu by:" "sudo $command"
  fi
  say "installing $* by apt"
  export DEBIAN_FRONTEND=noninteractive
  (flock 9; $command >"$tools/apt.log" 2>&1 || { apt-get update >"$tools/apt.log" 2>&1 && $command >>"$tools/apt.log" 2>&1; }) 9>"$tools/apt.lock" ||
    fail "apt failed; the end of $tools/apt.log:" "$(tail -n 3 "$tools/apt.log")"
}

java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1; }

bring_java() {
  if command -v java >/dev/null && [ "$(java_major)" -ge 17 ]; then return; fi
  apt_install openjdk-17-jre-headless
  [ "$(java_major)" -ge 17 ] || fail "'java' on the PATH is older than version 17" "put a newer one first"
}

bring_kafka() {
  bring_java
  home="$tools/kafka-$kafka_version"
  if [ ! -d "$home/libs" ]; then
    command -v mvn >/dev/null || apt_install maven
    say "fetching the jars of Kafka $kafka_version by maven (43 MB)"
    rm -rf "$home.new"
    mkdir -p "$home" "$home.new"
    mvn -q -B -Dstyle.color=never -f "$here/broker.pom.xml" dependency:copy-dependencies \
      -DoutputDirectory="$home.new" -DincludeScope=runtime >&2 || fail "maven could not fetch Kafka (see above)"
    mv "$home.new" "$home/libs"
  fi
  # The rest needs Node 24; a set-up that fetches side by side does it afterwards.
  [ "${1:-}" != jars ] || return 0
  [ -d "$home/formatted" ] && ls "$home"/classes-*.jsa >/dev/null 2>&1 && return 0
  say 'making a class archive of Kafka, so that it starts in half the time'
  "$root/node_modules/.bin/node" "$here/prepareKafka.ts"
}

bring_s3() {
  binary="$tools/versitygw-$versitygw_version/versitygw"
  [ ! -x "$binary" ] || return 0
  command -v go >/dev/null || fail "the S3 server of the tests is built with Go 1.25 or later, which is missing" "see https://go.dev/doc/install"
  say "building the S3 server versitygw $versitygw_version by go install (some minutes)"
  rm -rf "$tools/versitygw.new"
  GOBIN="$tools/versitygw.new" go install "github.com/versity/versitygw/cmd/versitygw@v$versitygw_version" 2>"$tools/versitygw.log" ||
    fail "go install failed; the end of $tools/versitygw.log:" "$(tail -n 3 "$tools/versitygw.log")"
  mkdir -p "$(dirname "$binary")"
  mv "$tools/versitygw.new/versitygw" "$binary"
}

# The library alone is needed, no Python: the wheel is asked for by platform, whatever Python is here.
bring_xgboost() {
  home="$tools/xgboost-$xgboost_version"
  [ ! -f "$home/xgboost/lib/libxgboost.so" ] || return 0
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
  say "fetching libxgboost $xgboost_version by pip (6 MB)"
  rm -rf "$home.new" "$home.wheel"
  python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform manylinux_2_28_x86_64 --python-version 3.12 --implementation py --abi none \
    -d "$home.wheel" "xgboost-cpu==$xgboost_version" >&2 || fail "pip could not fetch libxgboost (see above)"
  wheel=$(ls "$home.wheel"/*.whl)
  echo "$xgboost_sha256  $wheel" | sha256sum -c --status ||
    fail "the wheel of xgboost-cpu $xgboost_version is not the one that is known: $(sha256sum "$wheel" | cut -d ' ' -f 1)"
  python3 -m zipfile -e "$wheel" "$home.new"
  rm -rf "$home.wheel"
  mv "$home.new" "$home"
}

for what in "$@"; do
  case $what in
    java) (flock 9; bring_java) 9>"$tools/kafka.lock" ;;
    kafka) (flock 9; bring_kafka) 9>"$tools/kafka.lock" ;;
    kafka-jars) (flock 9; bring_kafka jars) 9>"$tools/kafka.lock" ;;
    s3) (flock 9; bring_s3) 9>"$tools/s3.lock" ;;
    xgboost) (flock 9; bring_xgboost) 9>"$tools/xgboost.lock" ;;
    *) echo "usage: bring.sh java|kafka|kafka-jars|s3|xgboost ..." >&2; exit 2 ;;
  esac
done
