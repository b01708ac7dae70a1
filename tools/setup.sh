#!/bin/sh
# Find a Python that can carry the project and let tools/environment.py make `.venv` with it.
# PYTHON=… chooses one by hand.
set -eu

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

chosen=
# Each candidate is run, not only found: a version manager's shim may stand for nothing.
for candidate in ${PYTHON:+"$PYTHON"} python3.14 python3.13 python3.12 python3.11 python3 python; do
    if usable "$candidate"; then
        chosen=$candidate
        break
    fi
done
if [ -z "$chosen" ] && command -v uv >/dev/null 2>&1; then
    echo "No Python 3.11 or newer on PATH: uv fetches one." >&2
    uv python install 3.13 && chosen=$(uv python find 3.13)
fi
if [ -z "$chosen" ]; then
    echo "error: no Python 3.11 or newer among: ${PYTHON:-} python3.14 … python3.11 python3 python, uv" >&2
    echo "hint: install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi
exec "$chosen" tools/environment.py "$chosen"
