"""Files of a lab: its hosts' names, what enters a host, and a stand-in for ssh that does so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.store.results import write_atomically

ENTER = """\
#!/bin/sh
# enter HOST COMMAND...: run a command on a host of this lab, with its network, its name and the lab's hosts file
PATH="$PATH:/usr/sbin:/sbin"
host=$1
shift
exec ip netns exec "@PREFIX@-$host" unshare --uts sh -c '
  hostname "$0" && mount --bind "@FOLDER@/hosts" /etc/hosts && exec "$@"' "$host" "$@"
"""

SSH = """\
#!/bin/bash
# Stand-in for ssh: [options] HOST [options] COMMAND..., the command for a shell on the other side, as ssh has it.
rest() {
  while :; do
    case "$1" in
      -[oplFbi]) shift 2 ;;
      -*) shift ;;
      *) break ;;
    esac
  done
  left=("$@")
}
rest "$@"
host=${left[0]}
rest "${left[@]:1}"
exec "@FOLDER@/enter" "$host" /bin/bash -c "${left[*]}"
"""


def write_scripts(folder: Path, prefix: str, hosts: Sequence[str]) -> None:
    """`enter`, `bin/ssh`, `hosts` for /etc/hosts, and `hostfile`, which leaves the first host, the login one, out."""
    names = ["127.0.0.1 localhost", *(f"{address(host)} {host}" for host in hosts)]
    write_atomically(folder / "hosts", ("\n".join(names) + "\n").encode())
    write_atomically(folder / "hostfile", ("\n".join(hosts[1:]) + "\n").encode())
    for path, text in ((folder / "enter", ENTER), (folder / "bin" / "ssh", SSH)):
        write_atomically(path, text.replace("@FOLDER@", str(folder)).replace("@PREFIX@", prefix).encode())
        path.chmod(0o755)


def address(host: str) -> str:
    """Of a host, on the lab's own network."""
    return f"10.77.0.{100 + int(host[1:])}"
