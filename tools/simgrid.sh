#!/usr/bin/env bash
# Install SimGrid, which a test holds the laws of allreduces against (tests/bench/projection/test_simulated.py).
# For Debian 12, as root. Does nothing when it is there. usage: tools/simgrid.sh
set -euo pipefail
source "$(dirname "$0")/debian.sh"
install_packages simgrid python3-simgrid
