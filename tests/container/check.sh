#!/bin/bash
# Run Demyelin's image as users do: one phantom visit (--fast) and the group level; no network, read-only image and
# data, a user id that no passwd file knows, no HOME.
#   check.sh IMAGE_OR_SIF [docker|podman|apptainer]
# Without an engine: apptainer for a .sif, else docker or podman, whichever answers. WORK: folder for data and results
# (default: a new temporary one). RUN_AS: user id under docker and podman (default: 1234).
set -euo pipefail
IMAGE=${1:?usage: check.sh IMAGE_OR_SIF [docker|podman|apptainer]}
ENGINE=${2:-}
WORK=$(realpath "${WORK:-$(mktemp -d)}")
RUN_AS=${RUN_AS:-1234}
if [ -z "$ENGINE" ]; then
  case $IMAGE in
    *.sif) ENGINE=apptainer ;;
    *) if docker info > /dev/null 2>&1; then ENGINE=docker; else ENGINE=podman; fi ;;
  esac
fi
say() { printf '[%4ds] %s: %s\n' "$SECONDS" "$ENGINE" "$*"; }

# inside DATA OUT PROGRAM ARGS...: run a program of the image with a folder to read and one to write
inside() {
  local mounts=(-v "$1:/data:ro" -v "$2:/out") program=$3
  shift 3
  if [ "$ENGINE" = apptainer ]; then
    apptainer -q exec --contain --cleanenv --net --network none -B "${mounts[1]}" \
      -B "${mounts[3]}" -B "$WORK/tmp:/tmp" "$IMAGE" env -u HOME "$program" "$@"  # its own /tmp is 64 MB
  else
    "$ENGINE" run --rm --network=none --read-only --tmpfs /tmp:rw,exec,mode=1777 --user "$RUN_AS:$RUN_AS" \
      "${mounts[@]}" --entrypoint env "$IMAGE" -u HOME "$program" "$@"
  fi
}

must_exist() {
  for path in "$@"; do
    [ -s "$path" ] || { echo "check.sh: $path was not written" >&2; exit 1; }
  done
}

mkdir -p "$WORK/none" "$WORK/made" "$WORK/tmp"
[ "$ENGINE" = apptainer ] || chmod 777 "$WORK/made"
inside "$WORK/none" "$WORK/made" demyelin-phantom /out/visit --participants 1 --resolution 2 > /dev/null
inside "$WORK/none" "$WORK/made" demyelin-phantom /out/study --derivatives-only --study B --visits 40,24 \
  --patients 20,12 > /dev/null
inside "$WORK/none" "$WORK/made" mkdir /out/derivatives
say "phantoms written"

inside "$WORK/made/visit" "$WORK/made/derivatives" demyelin /data /out participant --fast --nprocs 1
must_exist "$WORK/made/derivatives/sub-001.html" "$WORK"/made/derivatives/sub-001/anat/sub-001_label-L_mask.nii.gz
if inside "$WORK/none" "$WORK/made" test -f /opt/demyelin/connectome/connectome.json; then
  must_exist "$WORK"/made/derivatives/sub-001/anat/sub-001_atlas-AAL_desc-chaco_dseg.tsv
  say "the image has a connectome"
else
  say "WARNING: the image has no connectome"
fi
say "participant level runs"

study=$WORK/made/study
inside "$study" "$study/derivatives/demyelin" demyelin /data /out group --permutations 0 --folds 3 --outer-folds 2 \
  --nprocs 1
must_exist "$study/derivatives/demyelin/group.html" "$study/derivatives/demyelin/group/diagnosis_performance.tsv"
say "group level runs; all of it is in $WORK"
