#!/bin/bash
# check_format.sh ROOT: every C source is as clang-format writes it. format.sh repairs.
set -euo pipefail
cd "$1"
folders=()
for folder in gateway sync sms mqtt config tests; do [ ! -d $folder ] || folders+=("$folder"); done
find "${folders[@]}" -name '*.[ch]' -not -path '*/vendor/*' -print0 |
    xargs -0 -r -n 20 -P "$(nproc)" clang-format --dry-run -Werror
