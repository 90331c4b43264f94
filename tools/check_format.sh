#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fails when a source file is not as clang-format-19 would write it; with --fix, writes it so.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(--dry-run -Werror)
[[ ${1:-} == --fix ]] && mode=(-i)

git ls-files -z --cached --others --exclude-standard -- '*.hpp' '*.cpp' '*.h' '*.c' |
  while IFS= read -r -d "" file; do if [[ -f $file ]]; then printf "%s\0" "$file"; fi; done |
  xargs -0 --no-run-if-empty -n 16 -P 2 clang-format-19 "${mode[@]}" || {
    echo "format: the files above are not formatted; 'make format' does it" >&2
    exit 1
  }
echo "format: all is well"
