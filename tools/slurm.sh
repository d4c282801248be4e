#!/usr/bin/env bash
# Install what the Slurm tests start (tests/slurm): Slurm, munge, PMIx and a clock that can run faster.
# For Debian 12, as root. Does nothing when all is there. usage: tools/slurm.sh
set -euo pipefail
packages=(slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins libpmix2 libfaketime)
logs=.build
log=$logs/slurm.log

stop() { echo "slurm: $*" >&2; exit 2; }

command -v apt-get > /dev/null || stop "no apt-get here; Slurm is installed only on Debian (packages: ${packages[*]})"

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || stop "only root can install packages; missing: ${missing[*]}"
  echo "slurm: installing ${missing[*]}"
  mkdir -p "$logs"
  export DEBIAN_FRONTEND=noninteractive
  install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
  # The lists of packages are fetched only when the ones that are there do not do.
  "${install[@]}" > "$log" 2>&1 || { apt-get update -q >> "$log" 2>&1 && "${install[@]}" >> "$log" 2>&1; } ||
    { tail -n 15 "$log" >&2; stop "installing ${missing[*]} failed; the whole log is $log"; }
fi

# `srun --mpi=pmix` opens libpmix.so, a link that Debian ships only for compiling.
for library in /usr/lib/*/pmix2/lib/libpmix.so.2; do
  link=${library%.2}
  if [ -e "$library" ] && [ ! -e "$link" ]; then
    [ -w "${link%/*}" ] || stop "only root can create $link, which srun --mpi=pmix needs"
    ln -s libpmix.so.2 "$link"
  fi
done
