#!/bin/bash
# Starts Kafka with the cluster id of its volume: a new volume is a new cluster, which the services detect. The
# image's own script would write settings into the image, which is read-only here. Arguments are passed to
# Kafka: --override name=value.
set -euo pipefail
folder=/var/lib/kafka/data
if [ ! -s "$folder/cluster-id" ]; then
  # 16 random bytes as base64url, as Kafka writes them; the first letter keeps it from looking like an option.
  printf 'R%s' "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 2-22)" >"$folder/cluster-id.new"
  mv "$folder/cluster-id.new" "$folder/cluster-id"
fi
libraries='/opt/kafka/libs/*'
logging=-Dlog4j2.configurationFile=/rapport/log4j2.properties
java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$logging" -cp "$libraries" kafka.tools.StorageTool \
  format --ignore-formatted --cluster-id "$(cat "$folder/cluster-id")" --config /rapport/server.properties
# shellcheck disable=SC2086  # the options are several words
exec java ${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m} -Djava.awt.headless=true "$logging" -cp "$libraries" \
  kafka.Kafka /rapport/server.properties "$@"
