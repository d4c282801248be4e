#!/usr/bin/env bash
# Install what the Slurm tests start (tests/slurm): Slurm, munge, PMIx and a clock that can run faster.
# For Debian 12, as root. Does nothing when all is there. usage: tools/slurm.sh
set -euo pipefail
source "$(dirname "$0")/debian.sh"
install_packages slurm slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins libpmix2 libfaketime

# `srun --mpi=pmix` opens libpmix.so, a link that Debian ships only for compiling.
for library in /usr/lib/*/pmix2/lib/libpmix.so.2; do
  link=${library%.2}
  if [ -e "$library" ] && [ ! -e "$link" ]; then
    [ -w "${link%/*}" ] || stop "only root can create $link, which srun --mpi=pmix needs"
    ln -s libpmix.so.2 "$link"
  fi
done
