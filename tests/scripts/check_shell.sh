#!/bin/bash
# check_shell.sh ROOT: shellcheck has nothing to say about our shell scripts.
set -euo pipefail
cd "$1"
mapfile -d '' scripts < <(find tests config -name '*.sh' -print0 2>/dev/null)
for more in run .ci/run; do [ ! -e $more ] || scripts+=("$more"); done
[ ${#scripts[@]} -eq 0 ] || shellcheck "${scripts[@]}"
