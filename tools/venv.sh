#!/bin/sh
# tools/venv.sh runtime|dev|newest: makes .venv, unless there is one that works, and installs this checkout in it,
# editable. `dev` installs what requirements.txt locks, and `runtime` the first part of it: every file that pip takes
# has the hash that is written there. `newest` makes .venv-newest instead, with the newest releases that the ranges of
# pyproject.toml allow.
# $PYTHON names the Python to take; else the first of the list below that is new enough.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

wanted=${1:-}
case $wanted in
runtime | dev) venv=.venv ;;
newest) venv=.venv-newest ;;
*) say "usage: tools/venv.sh runtime|dev|newest" && exit 2 ;;
esac

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
    new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

# Debian's and Ubuntu's Python has no ensurepip without the package python3-venv. An environment can be made all
# the same if there is a pip (which can install itself elsewhere), a virtualenv or a uv.
make_venv() {
    "$1" -m venv --clear "$venv" >"$log" 2>&1 && return
    say "\`$1 -m venv\` failed; trying other ways."
    if "$1" -m venv --clear --without-pip "$venv" >>"$log" 2>&1 &&
        "$1" -m pip --python "$venv/bin/python" install --quiet pip >>"$log" 2>&1; then
        return
    fi
    "$1" -m virtualenv --clear "$venv" >>"$log" 2>&1 && return
    virtualenv --clear --python "$1" "$venv" >>"$log" 2>&1 && return
    uv venv --quiet --clear --seed --python "$1" "$venv" >>"$log" 2>&1 && return
    rm -rf "$venv"
    say "$("$1" --version) can't make a virtual environment:"
    say "$(cat "$log")"
    say ""
    say "On Debian and Ubuntu this helps: apt-get install python3-venv    and then the same make again."
    return 1
}

install() {
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@"
}

log=$venv.log
trap 'rm -f "$log"' EXIT
if ! works; then
    python=$(find_python)
    say "Making $venv with $("$python" --version)."
    make_venv "$python"
fi

case $wanted in
newest)
    PIP_PRE=0 install --upgrade --upgrade-strategy eager --editable '.[dev]'
    ;;
runtime | dev)
    locked=requirements.txt
    if [ "$wanted" = runtime ]; then
        locked=$venv/runtime.txt
        # The line that ends the first part; tools/lock.py writes it.
        sed '/^# ---- what develops and tests/,$d' requirements.txt >"$locked"
    fi
    install --require-hashes --requirement "$locked"
    # The build backend is in the lock: pip fetches none, and nothing that the lock does not name.
    install --no-deps --no-build-isolation --editable .
    ;;
esac
