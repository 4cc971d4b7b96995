#!/bin/bash
# Starts Kafka with a cluster id of this volume's own: a new volume is a new cluster, which the services notice
# and do not mistake for the one whose positions they know.
set -euo pipefail
id=/var/lib/kafka/data/cluster-id
if [ ! -s "$id" ]; then
  # 16 random bytes as base64url, as Kafka writes them; the first letter keeps it from looking like an option.
  printf 'R%s' "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 2-22)" >"$id.new"
  mv "$id.new" "$id"
fi
CLUSTER_ID=$(cat "$id")
export CLUSTER_ID
exec /etc/kafka/docker/run
