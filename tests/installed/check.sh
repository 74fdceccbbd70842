#!/usr/bin/env bash
# Install a wheel with plain pip into a clean environment, outside the repository, and use it.
#   check.sh PYTHON WHEEL [EXTRA]
set -euo pipefail
PYTHON=${1:?usage: check.sh PYTHON WHEEL [EXTRA]}
WHEEL=$(realpath "${2:?usage: check.sh PYTHON WHEEL [EXTRA]}")
EXTRA=${3:-}
PROGRAM=$(realpath "$(dirname "$0")/use.py")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
"$PYTHON" -m venv "$WORK/venv"
cd "$WORK"
venv/bin/pip install --quiet --no-cache-dir "demyelin${EXTRA:+[$EXTRA]} @ file://$WHEEL"
venv/bin/demyelin --version
venv/bin/python -m bids_app --version
venv/bin/demyelin-connectome --help > help.txt
venv/bin/demyelin-phantom phantom --participants 1 --resolution 4 > made.txt
venv/bin/python "$PROGRAM" "$EXTRA"
du -sh venv | sed "s/venv/installed with '$EXTRA'/"
