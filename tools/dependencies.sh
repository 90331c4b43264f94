#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs what the named groups of tools/packages.txt need and this system lacks. Silent when nothing is missing.
#   tools/dependencies.sh build test
set -euo pipefail

list="$(dirname "$0")/packages.txt"

wanted_packages() {  # group... -> one package a line
  local group entry command
  for group in "$@"; do
    if ! grep -q "^$group:" "$list"; then
      echo "dependencies: there is no group '$group' in $list" >&2
      return 1
    fi
    for entry in $(sed -n "s/^$group://p" "$list"); do
      if [[ $entry == *\(*\) ]]; then
        command="${entry#*\(}"
        command -v "${command%\)}" >/dev/null && continue
      fi
      echo "${entry%%\(*}"
    done
  done
}

missing_packages() {  # package... -> those that are not installed
  local installed package
  installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' | tr '\n' ' ')"
  for package in "$@"; do
    [[ $installed == *" $package "* ]] || echo "$package"
  done
}

packages=$(wanted_packages "$@")
[[ -n $packages ]] || exit 0

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "dependencies: this is not a Debian system, so nothing can be installed for you." >&2
  echo "dependencies: install the equivalents of:" $packages >&2
  echo "dependencies: then use cmake and ctest directly (see CONTRIBUTING.md)." >&2
  exit 1
fi

missing=$(missing_packages $packages)
[[ -n $missing ]] || exit 0
echo "dependencies: installing" $missing

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "dependencies: neither root nor sudo; as root, run: apt-get install" $missing >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing </dev/null
