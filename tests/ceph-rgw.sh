#!/usr/bin/env bash
# ceph-rgw.sh: a real S3 server with Object Lock (Ceph RGW) on 127.0.0.1, for this project's tests.
#
#   ceph-rgw.sh up      fetch Debian's Ceph packages if needed, start mon + osd + radosgw, print shell exports
#   ceph-rgw.sh down    stop the three daemons; data and locks stay
#   ceph-rgw.sh wipe    down, then remove the data; the packages stay
#
# Nothing is installed: packages are unpacked under CEPH_HOME, every socket is bound to 127.0.0.1, any user will do.
# `up` may be repeated; standard output carries only the exports S3_ENDPOINT S3_ACCESS_KEY S3_SECRET_KEY S3_REGION.
# Exit: 0 done, 1 failed, 2 wrong use, 3 not to be had here (no apt-get, packages not reachable).
#
# CEPH_HOME   ${XDG_CACHE_HOME:-$HOME/.cache}/ceph-rgw      one server per home
# RGW_PORT    19000; +1 and +2 are the monitor's; fixed by the first `up`
set -euo pipefail
umask 077

H=${CEPH_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/ceph-rgw}
case $H in /*) ;; *) H=$PWD/$H ;; esac
P=$H/root D=$H/data
TRIPLET=$(uname -m)-linux-gnu
L=$P/usr/lib/$TRIPLET
CONF=$D/ceph.conf
declare -A DAEMON=([mon]="ceph-mon -i a" [osd]="ceph-osd -i 0" [rgw]="radosgw -n client.rgw")

say() { echo "ceph-rgw: $*" >&2; }
die() { local code=$1; shift; say "$*"; exit "$code"; }

# --- the packages ------------------------------------------------------------------------------------------------

apt() {
  apt-get -q -y -o Dir::Cache="$H/apt" -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@" >>"$H/apt.log" 2>&1
}
download() {
  apt "$@" install --download-only --reinstall --no-install-recommends \
    ceph-base ceph-mon ceph-osd ceph-common radosgw
}
fetch() {
  [ -e "$P/.complete" ] && return
  { command -v apt-get && command -v dpkg-deb; } >/dev/null || die 3 "needs apt-get and dpkg-deb (a Debian machine)"
  rm -rf "$H/apt" "$P" "$P.new"
  mkdir -p "$H/apt/archives/partial" "$H/apt/lists/partial" "$P.new"
  : >"$H/apt.log"
  say "downloading the Ceph packages"
  # The machine's own package lists may be absent or stale: then fresh ones, private to this home.
  local lists=(-o Dir::State::lists="$H/apt/lists")
  download || { apt "${lists[@]}" update && download "${lists[@]}"; } ||
    { tail -n 5 "$H/apt.log" >&2; die 3 "the packages cannot be had; see $H/apt.log"; }
  local deb
  for deb in "$H"/apt/archives/*.deb; do
    case ${deb##*/} in libc6_* | libc-bin_*) continue ;; esac # never mix a second C library into the processes
    dpkg-deb -x "$deb" "$P.new"
  done
  touch "$P.new/.complete"
  mv "$P.new" "$P"
  rm -rf "$H/apt"
}

# --- running Ceph's programs from the unpacked tree ----------------------------------------------------------------

become() { # replaces this (sub)shell
  export CEPH_CONF=$CONF PATH=$P/usr/bin:$PATH PYTHONPATH=$P/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1
  export LD_LIBRARY_PATH=$L:$L/ceph:$P/lib/$TRIPLET
  exec "$@"
}
in_tree() { (become "$@"); }
ceph() {
  local python=/usr/bin/python3 # Debian's: its modules are built for it, whatever else is first on PATH
  [ -x $python ] || python=$P/usr/bin/python3.11
  in_tree "$python" "$P/usr/bin/ceph" --connect-timeout 10 "$@"
}
admin() { in_tree radosgw-admin -n client.rgw "$@"; }

pid() { cat "$D/run/$1.pid" 2>/dev/null; }
running() { # by process id, and only if that process is this home's
  local p
  p=$(pid "$1") && [ -n "$p" ] && tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -qF -- "-c $CONF "
}
start() {
  running "$1" && return
  local words
  read -ra words <<<"${DAEMON[$1]}"
  (become setsid "${words[@]}" -c "$CONF" -f) </dev/null >"$D/log/$1.out" 2>&1 9>&- & # $! is the daemon itself
  echo $! >"$D/run/$1.pid"
  sleep 0.1
}
until_ok() { # seconds, daemon, command...: wait for the command, give up when the daemon dies
  local end=$((SECONDS + $1)) daemon=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    running "$daemon" || { tail -n 15 "$D/log/$daemon.out" >&2; die 1 "$daemon died; see $D/log"; }
    ((SECONDS < end)) || die 1 "$daemon did not become ready; see $D/log"
    sleep 0.2
  done
}
osd_is_up() { ceph osd stat | grep -q '1 up'; }
answers() { # an anonymous GET / is answered 200 with an empty bucket list
  local status
  exec 8<>"/dev/tcp/127.0.0.1/$PORT" || return
  printf 'GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&8
  read -r -t 5 status <&8 || status=
  exec 8>&-
  [[ $status == HTTP/1.?\ 200* ]]
}
port_taken() { (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# --- up --------------------------------------------------------------------------------------------------------------

write_conf() {
  local front="endpoint=127.0.0.1:$PORT tcp_nodelay=1" # without tcp_nodelay every GET waits 40 ms
  cat >"$CONF" <<C
[global]
fsid = $(cat "$D/fsid")
mon_host = [v2:127.0.0.1:$((PORT + 1)),v1:127.0.0.1:$((PORT + 2))]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = $D/keyring
auth_allow_insecure_global_id_reclaim = false
run_dir = $D/run
admin_socket =
log_file = $D/log/\$name.log
crash_dir = $D/log
erasure_code_dir = $L/ceph/erasure-code
plugin_dir = $L/ceph
osd_class_dir = $L/rados-classes
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 1
mon_data_avail_crit = 1
[mon]
mon_data = $D/mon
mon_allow_pool_delete = true
[osd]
osd_data = $D/osd
osd_objectstore = bluestore
bluestore_block_size = $((8 * 1024 * 1024 * 1024))
osd_fast_shutdown = false
osd_memory_target = 939524096
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_frontends = beast $front
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
C
}
first_time() { # keys and the monitor's database; cephx stays on: with auth "none" radosgw never starts
  mkdir -p "$D"/{mon,osd,log,run}
  cat /proc/sys/kernel/random/uuid >"$D/fsid"
  echo "$PORT" >"$D/port"
  write_conf
  in_tree ceph-authtool -C "$D/keyring" -g -n mon. --cap mon 'allow *' >/dev/null
  local name
  for name in client.admin client.rgw osd.0; do
    in_tree ceph-authtool "$D/keyring" -g -n $name --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
  done
  in_tree monmaptool --create --fsid "$(cat "$D/fsid")" \
    --addv a "[v2:127.0.0.1:$((PORT + 1)),v1:127.0.0.1:$((PORT + 2))]" "$D/monmap" >/dev/null
  in_tree ceph-mon -i a --mkfs --monmap "$D/monmap" --keyring "$D/keyring" >"$D/log/mkfs.out" 2>&1 ||
    { tail -n 15 "$D/log/mkfs.out" >&2; die 1 "the monitor's database cannot be made"; }
}
first_osd() {
  local uuid
  uuid=$(cat /proc/sys/kernel/random/uuid)
  ceph osd new "$uuid" 0 >/dev/null 2>&1
  in_tree ceph-osd -i 0 --mkfs --osd-uuid "$uuid" >"$D/log/mkfs.out" 2>&1 ||
    { tail -n 15 "$D/log/mkfs.out" >&2; die 1 "the data file cannot be made"; }
}
first_user() {
  local access=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')
  local secret=$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')
  admin user create --uid=evidence --display-name=evidence --access-key="$access" --secret-key="$secret" \
    >"$D/log/user.out" 2>&1 || { tail -n 5 "$D/log/user.out" >&2; die 1 "the S3 user cannot be made"; }
  printf 'export S3_ACCESS_KEY=%q\nexport S3_SECRET_KEY=%q\nexport S3_REGION=us-east-1\n' "$access" "$secret" >"$D/keys"
}
up() {
  fetch
  ulimit -n 65536 2>/dev/null || true
  local fresh=
  if [ ! -e "$D/ready" ]; then # nothing yet, or a first `up` that was cut short: begin again
    down
    rm -rf "$D"
    fresh=1
    PORT=${RGW_PORT:-19000}
  else
    PORT=$(cat "$D/port")
    [ "${RGW_PORT:-$PORT}" = "$PORT" ] || die 2 "this home was made for port $PORT; wipe first, or use another CEPH_HOME"
  fi
  if ! running rgw && port_taken "$PORT"; then die 1 "port $PORT is in use; set RGW_PORT"; fi
  if ! running mon && port_taken $((PORT + 1)); then die 1 "port $((PORT + 1)) is in use; set RGW_PORT"; fi
  if [ $fresh ]; then first_time; elif ! running rgw; then write_conf; fi
  start mon
  until_ok 60 mon ceph mon stat
  if [ $fresh ]; then
    first_osd
  elif ! running osd; then
    ceph osd down 0 >/dev/null 2>&1 # after a kill the monitor still believes in the old process
  fi
  start osd
  until_ok 60 osd osd_is_up
  start rgw
  until_ok 120 rgw answers
  if [ $fresh ]; then
    first_user
    touch "$D/ready"
  fi
  echo "export S3_ENDPOINT=http://127.0.0.1:$PORT"
  cat "$D/keys"
}

# --- down ------------------------------------------------------------------------------------------------------------

down() {
  local name end
  for name in rgw osd mon; do
    if running $name; then
      kill "$(pid $name)" 2>/dev/null || true
      end=$((SECONDS + 20))
      while running $name && ((SECONDS < end)); do sleep 0.1; done
      if running $name; then
        kill -9 "$(pid $name)" 2>/dev/null || true
        while running $name; do sleep 0.1; done
      fi
    fi
    rm -f "$D/run/$name.pid"
  done
}

usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0" >&2; }
alone() { # one command at a time on one home, and never on a folder that holds something else
  mkdir -p "$H"
  local found
  found=$(ls -A "$H")
  if [ -n "$found" ] && [ ! -e "$H/.ceph-rgw" ]; then die 2 "CEPH_HOME $H holds other files; name an empty or new folder"; fi
  exec 9>"$H/.ceph-rgw"
  flock -w 600 9 || die 1 "another ceph-rgw.sh holds $H"
}

case ${1:-} in
  up | down) [ $# -eq 1 ] || { usage; exit 2; }; alone; "$1" ;;
  wipe) [ $# -eq 1 ] || { usage; exit 2; }; alone; down; rm -rf "$D" ;;
  *) usage; exit 2 ;;
esac
