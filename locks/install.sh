#!/usr/bin/env bash
# Makes .venv and installs what the lock files say, and nothing else. `make setup` calls it when one of them changed.
# PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf '\nmake setup: %s\n\n' "$*" >&2; exit 1; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_recent "$candidate"; then echo "$candidate"; return; fi
    done
    fail "needs Python 3.11 or newer${PYTHON:+; PYTHON=$PYTHON is not}. Found: $(python3 -V 2>&1 || true).
  Debian, Ubuntu:  apt install python3.11 python3.11-venv
  Fedora:          dnf install python3.11
  macOS:           brew install python@3.11
Then run it again, or name one: PYTHON=/path/to/python3.11 make setup"
}

make_venv() {
    local python
    python="$(find_python)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$("$python" -V) comes without venv and ensurepip.
  Debian, Ubuntu:  apt install python3-venv
Then run it again."
    rm -rf .venv
    "$python" -m venv .venv
}

# A .venv whose interpreter is gone (an upgraded or removed Python) is made anew.
is_recent .venv/bin/python || make_venv

uv="$(sed -n 's/^uv==\([^ ]*\).*/\1/p' locks/uv.txt)"
if [[ "$(.venv/bin/uv --version 2>/dev/null)" != "uv $uv"* ]]; then
    echo "Installing uv $uv ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement locks/uv.txt
fi

# Bytecode is made now, so that the first start is quick also where Python may not or does not write it later.
install() { .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python "$@"; }

echo "Installing what locks/ says (some 400 MB and a minute, the first time) ..."
install --require-hashes --requirement locks/all.txt
# --no-config: the workspace's settings take this package out everywhere else (see locks/compile.sh).
install --no-config --require-hashes --no-deps --requirement locks/model.txt
install --no-deps --no-build-isolation --editable auth --editable server --editable ui

# The built-in model's runtime is linked against GNU OpenMP, and its wheel does not carry it. Without it the rest works.
has_openmp() { .venv/bin/python -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; }
if [[ "$(uname)" == Linux ]] && ! has_openmp; then
    if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
        echo "Installing the system's package libgomp1, which the built-in model needs ..."
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -qq update && apt-get -qq --yes --no-install-recommends install libgomp1 </dev/null; } >/dev/null || true
    fi
    has_openmp || cat >&2 <<'NOTE'
Note: the built-in model will not start, because libgomp.so.1 is missing. Everything else works.
  Debian, Ubuntu:  apt install libgomp1
  Fedora:          dnf install libgomp
NOTE
fi
