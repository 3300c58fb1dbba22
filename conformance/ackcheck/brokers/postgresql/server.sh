# Starts PostgreSQL in DIR, on a socket in RUN, with SETTINGS; or says its version.
#
#     sh server.sh DIR RUN [SETTING...]
#     sh server.sh --version
#
# As root it becomes the user postgres, as the server refuses to be root. All its processes come of this one.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
[ "$1" != --version ] || exec "$bin/postgres" --version
dir=$1 run=$2
shift 2
as=
if [ "$(id -u)" = 0 ]; then
  folder=$dir
  while folder=$(dirname "$folder") && [ "$folder" != / ]; do # the suite's folder is root's alone
    case $(basename "$folder") in ackcheck-*) chmod o+x "$folder" && break ;; esac
  done
  chmod o+x "$run"
  mkdir -p "$run/socket"
  chown postgres: "$dir" "$run/socket"
  as="setpriv --reuid=postgres --regid=postgres --clear-groups"
else
  mkdir -p "$run/socket"
fi
cd /
if [ ! -e "$dir/data/PG_VERSION" ]; then
  $as "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --wal-segsize=1 --locale=C -E UTF8 >/dev/null
fi
rm -f "$dir/data/postmaster.pid" # nothing of the server that wrote it is left, and its number may be another's by now
for setting; do # `queue` is the adapter's
  shift
  case $setting in --queue=*) ;; *) set -- "$@" "$setting" ;; esac
done
exec $as "$bin/postgres" -D "$dir/data" --listen_addresses= --unix_socket_directories="$run/socket" \
  --shared_buffers=16MB --max_connections=20 --min_wal_size=2MB --max_wal_size=8MB "$@"
