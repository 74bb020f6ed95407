#!/bin/bash
# lint.sh BUILD_DIR: all checks of form, each with its time. BUILD_DIR is a built folder: clang-tidy
# wants its compile_commands.json and generated headers, and what was clean is remembered below it.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
build=$1
failed=()

check() {
    local name=$1 started=$SECONDS result=ok
    shift
    "$@" || result=FAILED
    [ $result = ok ] || failed+=("$name")
    printf 'lint: %-10s %s, %d s\n' "$name" $result $((SECONDS - started))
}

export PYTHONDONTWRITEBYTECODE=1
for one in includes banned length complexity paths refusals; do
    check $one python3 tests/scripts/check_$one.py .
done
check format tests/scripts/check_format.sh .
check shell tests/scripts/check_shell.sh .
check cppcheck tests/scripts/check_cppcheck.sh . "$build/lint/cppcheck"
check tidy python3 tests/scripts/check_tidy.py . "$build"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'lint: failed: %s\n' "${failed[*]}"
    exit 1
fi
