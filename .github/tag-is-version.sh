#!/usr/bin/env bash
# Refuse a tag that is not the version:  tag-is-version.sh TAG
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' bids_app/__init__.py)
if [ "$1" != "$version" ]; then
  echo "tag $1, but bids_app/__init__.py says $version: correct one of them" >&2
  exit 1
fi
