#!/bin/bash
# Started on each machine of a parallel job: write the node file, and train.
set -euo pipefail
chirp="$(condor_config_val LIBEXEC)/condor_chirp"
port="${HEPNN_PORT:-12321}"
nodes="$_CONDOR_SCRATCH_DIR/nodes"

# Through the submit machine every machine says where it is, and waits for the others. The job's
# number keeps what an earlier job left there apart.
job="nodes.$("$chirp" get_job_attr ClusterId)"
echo "$_CONDOR_PROCNO $(hostname -f) $((port + _CONDOR_PROCNO))" > own
"$chirp" put own "$job.$_CONDOR_PROCNO"
: > "$nodes.part"
for ((number = 0; number < _CONDOR_NPROCS; number++)); do
  for ((attempt = 0; attempt < 300; attempt++)); do
    "$chirp" fetch "$job.$number" other 2> /dev/null && break
    sleep 1
  done
  cat other >> "$nodes.part" || { echo "machine $number did not come" >&2; exit 2; }
  rm other
done
mv "$nodes.part" "$nodes"
exec hepnn train "$@" --strategy multiworker
