#!/usr/bin/env bash
# Create the environment: locked packages, then Horovod built against that TensorFlow and MPI.
# usage: tools/setup.sh PYTHON VENV
# A site's own MPI: SITE_MPI=1 make setup  (mpicxx and mpirun from PATH; the Open MPI wheel is left out)
set -euo pipefail
python=$1
venv=$2
logs=.build
mkdir -p "$logs"

stop() { echo "setup: $*" >&2; exit 1; }

command -v "$python" > /dev/null ||
  stop "no $python here; install Python 3.10 or 3.11 and name it: make PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 11))' ||
  stop "$python is $("$python" --version 2>&1); 3.10 or 3.11 is needed: make PYTHON=/path/to/python3.11"
"$python" -c 'import venv, ensurepip' 2> /dev/null ||
  stop "$python has no venv module; install it (Debian: apt-get install python3-venv)"
command -v "${CXX:-g++}" > /dev/null ||
  stop "no C++ compiler (${CXX:-g++}); install one (Debian: apt-get install g++) or name it: CXX=... make"
if [ -n "${SITE_MPI:-}" ]; then
  command -v mpicxx > /dev/null || stop "SITE_MPI is set, but there is no mpicxx on PATH; load the site's MPI module"
fi

logged() { # run the rest, output to the log; on failure show its end
  local log=$logs/$1.log hint=$2
  shift 2
  "$@" > "$log" 2>&1 || { tail -n 15 "$log" >&2; stop "$hint; the whole log is $log"; }
}

echo "setup: environment in $venv with $("$python" --version)"
# Finished steps are marked, so that a set-up that broke off goes on where it stopped.
"$venv/bin/python" -c '' 2> /dev/null || { rm -rf "$venv"; logged venv "creating $venv failed" "$python" -m venv "$venv"; }

lock=requirements.lock
if [ -n "${SITE_MPI:-}" ]; then
  lock=$logs/requirements-site-mpi.lock
  awk '/^[a-zA-Z0-9]/ { skip = /^openmpi==/ } !skip' requirements.lock > "$lock"
fi
if ! cmp -s "$lock" "$venv/.installed.lock"; then
  echo "setup: installing the locked packages (2-4 minutes)"
  logged packages "installing the packages failed" "$venv/bin/pip" install --require-hashes -r "$lock"
  cp "$lock" "$venv/.installed.lock"
fi

# The environment's bin first: CMake must find its mpicxx, unless the site's MPI takes its place.
PATH=$PWD/$venv/bin:$PATH
export PATH
if ! cmp -s requirements-horovod.lock "$venv/.installed-horovod.lock"; then
  echo "setup: building Horovod with MPI and Gloo (4-8 minutes on 2 cores)"
  export HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_MPI=1 HOROVOD_WITH_GLOO=1
  export HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1
  export MAKEFLAGS="-j$(nproc)" CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)"
  logged horovod "building Horovod failed (it needs g++ with C++14 or later, and make)" \
    "$venv/bin/pip" install --no-build-isolation --no-deps --require-hashes -r requirements-horovod.lock
  cp requirements-horovod.lock "$venv/.installed-horovod.lock"
fi
logged suite "installing the suite failed" "$venv/bin/pip" install --no-build-isolation --no-deps -e .

echo "setup: verifying: an allreduce on 2 ranks with mpirun, and with horovodrun over Gloo"
if [ "$(id -u)" = 0 ]; then # Open MPI wants to be told
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
logged verify-mpirun "an allreduce with mpirun failed" \
  mpirun -np 2 --map-by :OVERSUBSCRIBE "$venv/bin/python" tools/verify_allreduce.py
logged verify-horovodrun "an allreduce with horovodrun failed" \
  horovodrun --gloo -np 2 "$venv/bin/python" tools/verify_allreduce.py
echo "setup: done"
