#!/bin/sh
# Gives the server, which is stopped, the state of a moment: sh restore.sh 2026-11-29T12:00:00Z (or: latest)
# What it held stays beside it as `….before-<time>`. The next start reads the log up to the moment.
set -eu
backup=${RAPPORT_BACKUP_DIR:-/backup}
data=${PGDATA:?names the folder of the server}
moment=${1:?names the moment, such as 2026-11-29T12:00:00Z, or latest}
if pg_ctl status --pgdata="$data" > /dev/null 2>&1; then
  echo "the server runs: stop it first" >&2
  exit 1
fi
if [ "$moment" = latest ]; then
  before=99999999T999999Z
  until="recovery_target_timeline = 'latest'"
else
  before=$(date --utc --date="$moment" +%Y%m%dT%H%M%SZ)
  until="recovery_target_time = '$(date --utc --date="$moment" '+%Y-%m-%d %H:%M:%S.%N')+00'
recovery_target_action = 'promote'"
fi
base=$(ls -1 "$backup/base" | grep --invert-match '[.]part$' | sort |
  awk -v before="$before" '$0 <= before { newest = $0 } END { print newest }')
if [ -z "$base" ]; then
  echo "no copy in $backup/base is as old as $moment" >&2
  exit 1
fi
old=$data.before-$(date --utc +%Y%m%dT%H%M%SZ)
[ ! -d "$data" ] || mv "$data" "$old"
cp --archive "$backup/base/$base" "$data"
# What was not kept yet when the server ended.
if [ -d "$old/pg_wal" ]; then
  find "$old/pg_wal" -maxdepth 1 -type f -exec cp --no-clobber --preserve {} "$data/pg_wal/" \;
fi
cat >> "$data/postgresql.auto.conf" << SETTINGS
restore_command = 'gzip --decompress --stdout "$backup/wal/%f.gz" > "%p"'
$until
SETTINGS
touch "$data/recovery.signal"
echo "from the copy of $base; start the server, and delete $old when you are content"
