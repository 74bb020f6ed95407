#!/bin/bash
# check_cppcheck.sh ROOT [CACHE_DIR]: cppcheck's warnings, and its portability and performance hints.
#
# Suppressed, each for a reason:
#   missingIncludeSystem  we do not analyse foreign headers
#   normalCheckLevel...   a hint about cppcheck itself
#   unusedStructMember    fields read in another file
#   internalAstError      cppcheck 2.10 does not parse cmocka's macros in places
set -euo pipefail
cd "$1"
cache=${2-}
[ -z "$cache" ] || mkdir -p "$cache"
folders=()
for folder in gateway sync sms mqtt config; do [ ! -d $folder ] || folders+=("$folder"); done
cppcheck --std=c11 --enable=warning,portability,performance --inline-suppr --quiet \
    --error-exitcode=1 -j "$(nproc)" -I . -D_GNU_SOURCE -DTOUYAN_VERSION='"0"' \
    ${cache:+--cppcheck-build-dir="$cache"} --suppress=missingIncludeSystem \
    --suppress=missingInclude --suppress=unusedStructMember --suppress=internalAstError \
    "${folders[@]}"
