#!/usr/bin/env bash
# Install what `dgbench lab` uses: iproute2, iptables for delays, nftables for damaged packets.
# For Debian 12, as root. Does nothing when all is there. usage: tools/lab.sh
set -euo pipefail
packages=(iproute2 iptables nftables)

stop() { echo "lab: $*" >&2; exit 2; }

missing=()
PATH=$PATH:/usr/sbin:/sbin
for program in ip tc; do command -v "$program" > /dev/null || missing=(iproute2); done
command -v iptables-legacy > /dev/null || missing+=(iptables)
command -v nft > /dev/null || missing+=(nftables)
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get > /dev/null || stop "no apt-get here; install by hand: ${packages[*]}"
[ "$(id -u)" = 0 ] || stop "only root can install packages; missing: ${missing[*]}"
echo "lab: installing ${missing[*]}"
mkdir -p .build
log=.build/lab.log
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
# The lists of packages are fetched only when the ones that are there do not do.
"${install[@]}" > "$log" 2>&1 || { apt-get update -q >> "$log" 2>&1 && "${install[@]}" >> "$log" 2>&1; } ||
  { tail -n 15 "$log" >&2; stop "installing ${missing[*]} failed; the whole log is $log"; }
