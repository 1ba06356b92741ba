/**
 * The reaper in POSIX sh; it runs nothing but sh, grep, sleep, rmdir, and ps where there is no `/proc`.
 *
 * Locks and pipes that the guardian was started with (3 to 9) are not held open. It reads `word value` lines on standard input: `mark`, `grace`, `group`, `leaf`, `from`, `child`, and `done` for the orderly
 * end. At end of file it cleans up. A process is written `pid:parent:start`; `start` (clock ticks since boot, 0 without
 * `/proc`) distinguishes it from a later one with the same number. Members of the run are those that carry the mark in their
 * environment, those in the cgroup, the command, those seen before, and all that descend from these.
 */
export const REAPER_SCRIPT = `
trap '' HUP INT TERM QUIT TSTP USR1 USR2
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
mark= child= group= leaf= from= grace=5
while read -r word value; do
  case $word in
    done) exit 0 ;;
    mark) mark=$value ;;
    child) child=$value ;;
    group) group=$value ;;
    leaf) leaf=$value ;;
    from) from=$value ;;
    grace) grace=$value ;;
  esac
done

all() {
  if [ -r /proc/self/stat ]; then
    for stat in /proc/[0-9]*/stat; do
      read -r line <"$stat" || continue
      pid=\${stat#/proc/}
      set -- \${line##*) }
      case $1 in Z | X) ;; *) [ -n "\${20}" ] && echo "\${pid%/stat}:$2:\${20}" ;; esac
    done
  else
    ps -axo pid=,ppid=,stat= | while read -r pid parent state; do
      case $state in Z*) ;; *) echo "$pid:$parent:0" ;; esac
    done
  fi
}
marked() {
  if [ -r /proc/self/stat ]; then
    grep -lF "$mark" /proc/[0-9]*/environ | while read -r file; do
      file=\${file#/proc/}
      echo "\${file%/environ}"
    done
  else
    ps -axEww -o pid=,command= | grep -F "$mark" | while read -r pid rest; do echo "$pid"; done
  fi
}
grouped() {
  while read -r pid; do echo "$pid"; done <"$1/cgroup.procs"
  for inner in "$1"/*/; do [ -d "$inner" ] && (grouped "\${inner%/}"); done
}
scan() {
  seeds=" $(echo $(marked) $([ -n "$group" ] && grouped "$group")) "
  table=$(all)
  found=' ' members=
  more=1
  while [ -n "$more" ]; do
    more=
    for entry in $table; do
      pid=\${entry%%:*} start=\${entry##*:} parent=\${entry#*:} parent=\${parent%:*}
      case $found in *" $pid "*) continue ;; esac
      case $pid in 0 | 1 | $$) continue ;; esac
      case "$seeds $child $known " in
        *" $pid "* | *" $pid:$start "*) ;;
        *) case $found in *" $parent "*) ;; *) continue ;; esac ;;
      esac
      found="$found$pid " members="$members $pid:$start" more=1
    done
  done
  known=$members
}
send() { for member in $known; do kill -s "$1" "\${member%%:*}"; done; }
pause() { sleep 0.1 || { sleep 1; ticks=$((ticks + 9)); }; }
remove() {
  for inner in "$1"/*/; do [ -d "$inner" ] && (remove "\${inner%/}"); done
  rmdir "$1"
}

known= told=
ticks=0
scan
while [ -n "$known" ] && [ "$ticks" -lt $((grace * 10)) ]; do
  for member in $known; do
    case " $told " in *" $member "*) continue ;; esac
    told="$told $member"
    kill -s TERM "\${member%%:*}"
    kill -s CONT "\${member%%:*}"
  done
  pause
  ticks=$((ticks + 1))
  scan
done
ticks=0
while [ "$ticks" -lt 50 ]; do
  if [ -n "$known" ]; then
    [ -n "$group" ] && [ -f "$group/cgroup.kill" ] && echo 1 >"$group/cgroup.kill"
    send KILL
  elif [ -z "$group" ] || { remove "$group"; [ ! -d "$group" ]; }; then
    break
  fi
  pause
  ticks=$((ticks + 1))
  scan
done
if [ -n "$leaf" ]; then
  echo -memory >"$from/cgroup.subtree_control"
  echo $$ >"$from/cgroup.procs"
  rmdir "$leaf"
fi
exit 0
`;
