#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds tests/children/function_keys.cpp in every way that moves or merges functions, and runs each.
# Usage: tests/variants/function_keys.sh [compiler]      (from anywhere; needs lld and gold for the folding linkers)
set -eu
compiler=${1:-${CXX:-c++}}
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sources="$root/tests/children/function_keys.cpp $root/src/module/function_key.cpp $root/src/module/loaded_modules.cpp"
flags="-std=c++23 -O2 -I$root/include -I$root/src"

library() {  # library <file> <flags...>
  file=$1
  shift
  $compiler $flags -fPIC -shared "$@" "$root/tests/modules/keyed.cpp" -o "$file"
}
library "$work/keyed.so"
library "$work/anonymous.so" -Wl,--build-id=none

variant() {  # variant <name> <library or ""> <flags...>
  name=$1
  argument=$2
  shift 2
  if ! $compiler $flags "$@" $sources -o "$work/program" -ldl 2>"$work/log"; then
    echo "not built  $name"
    sed -n '1,3p' "$work/log"
    failed=1
  elif ! "$work/program" $argument >"$work/log" 2>&1; then
    echo "FAILED     $name"
    cat "$work/log"
    failed=1
  else
    echo "passed     $name"
  fi
}

# A compiler without a default to make position-independent programs still gets both.
for pie in "-fPIE -pie" "-fno-pie -no-pie"; do
  for extra in "" "-Wl,--build-id" "-Wl,--build-id=none" "-Wl,--build-id=sha1" "-flto" "-fvisibility=hidden" \
    "-ffunction-sections -Wl,--gc-sections" "-fuse-ld=lld -ffunction-sections -Wl,--icf=all" \
    "-fuse-ld=gold -ffunction-sections -Wl,--icf=all"; do
    case "$compiler $extra" in *clang*-flto*) extra="$extra -fuse-ld=lld" ;; esac
    variant "$pie $extra" "$work/keyed.so" $pie $extra
    variant "$pie $extra (library without build-id)" "$work/anonymous.so" $pie $extra
  done
done
variant "-static" "" -static
variant "-static-pie" "" -static-pie
exit $failed
