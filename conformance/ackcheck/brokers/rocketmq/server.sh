#!/bin/sh
# server.sh OUT DIR RUN [key=value ...]: a stock broker of the jars in OUT, which keeps what it has in DIR.
#
# Any key of BrokerConfig, MessageStoreConfig or NettyServerConfig may be given. Its own settings here make it small, and
# bind it to the loopback device; its log goes to the standard output, its configuration and all else into RUN. Until it
# has first written its metrics of transactions it asks a clock without a pause: for 3 s, as it comes. Without memory it
# ends, instead of going on with some of its threads.
set -eu
here=$(dirname "$(readlink -f "$0")")
out=$1 dir=$2 run=$3
shift 3
cat >"$run/broker.conf" <<CONF
brokerClusterName=ackcheck
brokerName=broker
brokerIP1=127.0.0.1
bindAddress=127.0.0.1
listenPort=10911
autoCreateTopicEnable=false
storePathRootDir=$dir
storePathCommitLog=$dir/commitlog
mappedFileSizeCommitLog=4194304
mappedFileSizeConsumeQueue=100000
mappedFileSizeTimerLog=1048576
maxMessageSize=1048576
messageIndexEnable=false
flushConsumerOffsetInterval=500
transactionMetricFlushInterval=500
CONF
for setting; do echo "$setting" >>"$run/broker.conf"; done

archive=
if [ "${ARCHIVE:-}" = into ]; then
  archive=-XX:ArchiveClassesAtExit=$out/server.jsa
elif [ -e "$out/server.jsa" ]; then
  archive=-XX:SharedArchiveFile=$out/server.jsa
fi
jars=$(echo "$out"/lib/*.jar | tr ' ' ':')
export ROCKETMQ_HOME="$run" LD_LIBRARY_PATH="$out/native"
# shellcheck disable=SC2086 # no archive, no word
exec java $archive -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
  -XX:-CreateCoredumpOnCrash -XX:+ExitOnOutOfMemoryError -XX:ErrorFile=/dev/null -Duser.home="$run" -Djava.io.tmpdir="$run" \
  -Dtls.server.mode=disabled -Dtls.test.mode.enable=false \
  -Djava.net.preferIPv4Stack=true -Drmq.logback.configurationFile="$here/log.xml" \
  -cp "$out/adapter.jar:$jars" org.apache.rocketmq.broker.BrokerStartup -c "$run/broker.conf"
