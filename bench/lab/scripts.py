"""Scripts of a lab: what enters a host, and a stand-in for ssh that does so."""

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
