#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs clang-tidy-19 over what changed since this branch left origin/main (without that, since the last commit but one),
# uncommitted work included. A changed header is looked at through the source files that name it.
set -euo pipefail
cd "$(dirname "$0")/.."

if base=$(git merge-base HEAD origin/main 2>/dev/null); then :
elif base=$(git rev-parse --verify --quiet HEAD~1); then :
else
  echo "tidy: there is nothing to compare with"
  exit 0
fi

changed=$( { git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } |
  grep -E '^(src|include|tests|examples)/.*\.(cpp|hpp)$' | grep -vE '^tests/(refused|model|consumer)/' | sort -u || true)
[[ -n $changed ]] || { echo "tidy: no source file changed"; exit 0; }

cmake --preset tidy >/dev/null
database=build/tidy/compile_commands.json

# The source files that changed, and for each changed header one source file that names it.
files=()
for file in $changed; do
  if [[ $file == *.hpp ]]; then
    named=${file#src/} named=${named#include/} named=${named#tests/}
    file=$(git grep -lE --untracked "#include [<\"]$named[>\"]" -- 'src/*.cpp' 'tests/*.cpp' 'examples/*.cpp' |
      grep -vE '^tests/(refused|model|consumer)/' | head -n 1 || true)
  fi
  if [[ -n $file ]] && grep -q "/$file\"" "$database"; then files+=("$file"); fi
done
[[ ${#files[@]} -gt 0 ]] || { echo "tidy: no program is built from what changed"; exit 0; }

printf '%s\n' "${files[@]}" | sort -u |
  xargs -n 1 -P 2 clang-tidy-19 -p build/tidy --quiet 2> >(grep -vE '^[0-9]+ warnings? (generated|treated)' >&2)
echo "tidy: all is well"
