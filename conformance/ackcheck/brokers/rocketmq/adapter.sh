#!/bin/sh
# adapter.sh OUT [ADDRESS]: the adapter that was built into OUT, for the broker at this address.
set -eu
here=$(dirname "$(readlink -f "$0")")
out=$1
shift
archive=
if [ "${ARCHIVE:-}" = into ]; then
  archive=-XX:ArchiveClassesAtExit=$out/adapter.jsa
elif [ -e "$out/adapter.jsa" ]; then
  archive=-XX:SharedArchiveFile=$out/adapter.jsa
fi
jars=$(echo "$out"/lib/*.jar | tr ' ' ':')
# shellcheck disable=SC2086 # no archive, no word
exec java $archive -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
  -Djava.net.preferIPv4Stack=true -Dtls.client.authServer=false -Drmq.logback.configurationFile="$here/log.xml" \
  -Duser.home="${TMPDIR:-/tmp}" -cp "$out/adapter.jar:$jars" ackcheck.rocketmq.Adapter "$@"
