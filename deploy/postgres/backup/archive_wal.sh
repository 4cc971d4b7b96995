#!/bin/sh
# archive_command = 'sh archive_wal.sh %p %f': keeps a finished segment of the log, once somebody takes base backups.
set -eu
archive=${RAPPORT_BACKUP_DIR:-/backup}/wal
# Without a base backup nothing can be restored from the log; keeping it would only fill the disk.
[ -d "$archive" ] || exit 0
kept=$archive/$2.gz
if [ -e "$kept" ]; then
  # PostgreSQL asks again for what it may have asked for before a crash. Other bytes belong to another server.
  gzip --decompress --stdout "$kept" | cmp --silent - "$1" && exit 0
  echo "$kept holds another log: give each server a folder of its own" >&2
  exit 1
fi
gzip --fast < "$1" > "$kept.part"
sync "$kept.part"
mv "$kept.part" "$kept"
sync "$archive"
