# Starts RabbitMQ in DIR, on PORT of the loopback, with SETTINGS; or says its version.
#
#     sh server.sh DIR RUN PORT [KEY=VALUE...]
#     sh server.sh --version
#
# A setting is a line of rabbitmq.conf; `queue`, `rest` and `most` are the adapter's. RUN takes what the broker does not keep: its
# configuration, its cookie, the log of its runtime. All processes come of this one, epmd too.
set -eu
lib=$(ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-* | sort -V | tail -n 1)
[ "$1" != --version ] || { echo "RabbitMQ ${lib##*-}, Erlang/OTP $(ls -d /usr/lib/erlang/releases/[0-9]* | sort -V | tail -n 1 | xargs basename)" && exit; }
dir=$1 run=$2 port=$3
shift 3
{
  echo "listeners.tcp.1 = 127.0.0.1:$port"
  echo "consumer_timeout = 5000"          # the time for which a delivery is hidden
  echo "disk_free_limit.absolute = 1MB"   # its disks here are small
  echo "raft.wal_max_size_bytes = 4194304"
  echo "log.console = true"
  echo "log.console.level = warning"
  echo "log.file = false"
  for setting; do
    case $setting in queue=* | rest=* | most=*) ;; *) echo "${setting%%=*} = ${setting#*=}" ;; esac
  done
} >"$run/rabbitmq.conf"
export HOME="$run" ERL_CRASH_DUMP="$run/erl_crash.dump" ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME=ackcheck@localhost RABBITMQ_MNESIA_BASE="$dir" RABBITMQ_CONFIG_FILE="$run/rabbitmq.conf"
export RABBITMQ_LOGS=- RABBITMQ_LOG_BASE="$run" RABBITMQ_PID_FILE="$run/pid" RABBITMQ_ENABLED_PLUGINS_FILE="$run/plugins"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} -rabbit channel_tick_interval 250 +sbwt none +sbwtdcpu none +sbwtdio none"
export RABBITMQ_ALLOW_INPUT=1 # the runtime takes the place of the script, and SIGTERM is its own
exec "$lib/sbin/rabbitmq-server" -noinput
