#!/bin/sh
# archive.sh OUT: one life of a broker and of the adapter, at whose end what they have loaded is archived (class data
# sharing): with that a broker starts in a quarter of the processor time.
set -eu
here=$(dirname "$(readlink -f "$0")")
out=$1
trial=$(mktemp -d)
server='' adapter=''
# shellcheck disable=SC2086 # none of them, no word
trap 'kill -9 $server $adapter 2>/dev/null || true; rm -rf "$trial"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$trial/data" "$trial/run"

ARCHIVE=into "$here/server.sh" "$out" "$trial/data" "$trial/run" popConsumerKVServiceInit=true >"$trial/log" 2>&1 &
server=$!
mkfifo "$trial/asked" "$trial/answers"
ARCHIVE=into "$here/adapter.sh" "$out" <"$trial/asked" >"$trial/answers" 2>>"$trial/log" &
adapter=$!
exec 3>"$trial/asked" 4<"$trial/answers"
ask() {
  echo "$1" >&3
  read -r answer <&4 # the end of the adapter ends this too
  case $answer in *'"error"'*) echo "$answer" >&2 ;; esac
}
ask '{"id":1,"op":"open","directory":"'"$trial"'/data"}'
ask '{"id":2,"op":"publish","queue":"q","end":8}'
ask '{"id":3,"op":"pop","queue":"q","count":8,"invisible":1}'
receipt=$(printf %s "$answer" | grep -o '"q|0|[^"]*"')
ask '{"id":4,"op":"ack","receipt":'"$receipt"'}'
ask '{"id":5,"op":"ack_many","receipts":['"$receipt"']}'
exec 3>&-
wait "$adapter" || true
kill "$server"
wait "$server" || true
server='' adapter=''
if [ ! -e "$out/server.jsa" ] || [ ! -e "$out/adapter.jsa" ]; then
  echo "no archive of the classes was made, so each start takes longer; what was said last:" >&2
  tail -5 "$trial/log" >&2
fi
