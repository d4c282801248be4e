# Install Debian packages, as root, where they are missing. Sourced: `install_packages NAME PACKAGE...`; NAME says who asks.
# Does nothing when all are there; ends the script with 2 and one line where it can't be done.

stop() { echo "$name: $*" >&2; exit 2; }

install_packages() {
  name=$1
  shift
  local missing=() package state log=.build/$name.log
  command -v apt-get > /dev/null || stop "no apt-get here; install by hand: $*"
  for package in "$@"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || stop "only root can install packages; missing: ${missing[*]}"
  echo "$name: installing ${missing[*]}"
  mkdir -p .build
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
  # The lists of packages are fetched only when the ones that are there do not do.
  "${install[@]}" > "$log" 2>&1 || { apt-get update -q >> "$log" 2>&1 && "${install[@]}" >> "$log" 2>&1; } ||
    { tail -n 15 "$log" >&2; stop "installing ${missing[*]} failed; the whole log is $log"; }
}
