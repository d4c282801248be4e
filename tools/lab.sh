#!/usr/bin/env bash
# Install what `dgbench lab` uses: iproute2, iptables for delays, nftables for damaged packets.
# For Debian 12, as root. Does nothing when all is there. usage: tools/lab.sh
set -euo pipefail
source "$(dirname "$0")/debian.sh"
PATH=$PATH:/usr/sbin:/sbin
# Programs that came some other way do as well.
if command -v ip > /dev/null && command -v tc > /dev/null && command -v iptables-legacy > /dev/null && command -v nft > /dev/null; then
  exit 0
fi
install_packages lab iproute2 iptables nftables
