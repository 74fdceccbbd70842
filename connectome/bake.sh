#!/bin/bash
# Put a connectome into the image: bake.sh hcp1065|none FOLDER
# From the files beside this script, else from the network. Where neither can be had, the image has none, and says so.
set -euo pipefail
choice=$1 target=$2 here=$(cd "$(dirname "$0")" && pwd)
field=$here/ICBM152_adult.fib.gz bundles=$here/ICBM152_adult.tt.gz
sha256=c6b39bbbbbee090d070e26c8b1b9fb943e89eeca19ec6f133d88ca9bd461ed99

without() {
  printf '\n%s\n' '****************************************************************************' \
    "WARNING: this image has NO CONNECTOME ($1)." \
    'It computes no disconnection unless a run is given --connectome DIR.' \
    '****************************************************************************' >&2
  rm -rf "$target"
  exit 0
}

make_it() {
  if [ -f "$field" ]; then
    echo "$sha256  $field" | sha256sum --check --quiet || { echo "$field: is another file than expected" >&2; exit 1; }
    named=()
    [ -f "$bundles" ] && [ -f "$bundles.txt" ] && named=(--bundles "$bundles")
    demyelin-connectome build "$target" --source "$field" "${named[@]}" \
      --licence "HCP Open Access data use terms; DSI Studio's atlas page says CC BY-SA 4.0"
  else
    demyelin-connectome fetch "$target" || without 'the network gave none, and connectome/ holds no ICBM152_adult.fib.gz'
  fi
}

case $choice in
  none) without 'CONNECTOME=none' ;;
  hcp1065) make_it && cp "$here/NOTICE" "$target/" ;;
  *) echo "CONNECTOME=$choice: must be hcp1065 or none" >&2; exit 1 ;;
esac
