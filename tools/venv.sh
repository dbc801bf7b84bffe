#!/bin/sh
# tools/venv.sh [EXTRAS]: makes .venv, unless there is one that works, and installs this checkout in it, editable.
# $PYTHON names the Python to take; else the first of the list below that is new enough.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14 python}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "Dagger needs Python 3.11 or newer, and found none (tried: ${PYTHON:-python3.11, python3, python3.12 and later})."
    say "Install one, or name it: make PYTHON=/path/to/python3 …"
    return 1
}

works() {
    new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1
}

# Debian's and Ubuntu's Python has no ensurepip without the package python3-venv. An environment can be made all
# the same if there is a pip (which can install itself elsewhere), a virtualenv or a uv.
make_venv() {
    "$1" -m venv --clear .venv >.venv.log 2>&1 && return
    say "\`$1 -m venv\` failed; trying other ways."
    if "$1" -m venv --clear --without-pip .venv >>.venv.log 2>&1 &&
        "$1" -m pip --python .venv/bin/python install --quiet pip >>.venv.log 2>&1; then
        return
    fi
    "$1" -m virtualenv --clear .venv >>.venv.log 2>&1 && return
    virtualenv --clear --python "$1" .venv >>.venv.log 2>&1 && return
    uv venv --quiet --clear --seed --python "$1" .venv >>.venv.log 2>&1 && return
    rm -rf .venv
    say "$("$1" --version) can't make a virtual environment:"
    say "$(cat .venv.log)"
    say ""
    say "On Debian and Ubuntu this helps: apt-get install python3-venv    and then the same make again."
    return 1
}

if ! works; then
    trap 'rm -f .venv.log' EXIT
    python=$(find_python)
    say "Making .venv with $("$python" --version)."
    make_venv "$python"
fi
.venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --editable ".${1:+[$1]}"
