#!/bin/sh
# build.sh OUT: fetches RocketMQ into OUT (once; nothing is fetched after that), and builds the adapter.
#
# OUT/lib holds the jars, OUT/adapter.jar the adapter, OUT/native the library of RocksDB, which each start would else
# unpack, and OUT/*.jsa what the JVM needs of the classes (archive.sh).
set -eu
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
out=$(readlink -f "$1")

if [ ! -e "$out/lib/complete" ]; then
  mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DoutputDirectory="$out/lib" -DincludeScope=runtime
  touch "$out/lib/complete"
fi

rm -rf "$out/classes" "$out/native" "$out"/*.jsa
mkdir "$out/native"
javac -nowarn -d "$out/classes" -cp "$out/lib/*" "$here"/src/*.java
jar -cf "$out/adapter.jar" -C "$out/classes" .
cat "$here"/src/*.java | sha256sum >"$out/sources" # of what it was built
(cd "$out/native" && jar -xf "$out"/lib/*rocksdb-*.jar librocksdbjni-linux64.so)

if unshare -n true 2>/dev/null; then # in a network of its own no port is taken
  exec unshare -n sh -c 'ip link set lo up && exec "$@"' sh "$here/archive.sh" "$out"
fi
exec "$here/archive.sh" "$out"
