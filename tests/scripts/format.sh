#!/bin/bash
# Writes every C source as clang-format likes it. What is already right is not touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
find gateway sync sms mqtt config tests -name '*.[ch]' -not -path '*/vendor/*' -print0 |
    xargs -0 -r -n 20 -P "$(nproc)" clang-format -i
