#!/bin/sh
# Copies the whole server while it runs, checks the copy, and deletes what is older than the newest copies. Beside the
# server, as its superuser: sh base_backup.sh [number of copies to keep, 2 unless given]
# Its database is asked when the last copy was made: rapport_backup_last_success_timestamp_seconds.
set -eu
backup=${RAPPORT_BACKUP_DIR:-/backup}
keep=${1:-2}
# The log is kept from here on.
mkdir -p "$backup/wal" "$backup/base"
rm -rf "$backup"/base/*.part
part=$backup/base/new.part
pg_basebackup --pgdata="$part" --checkpoint=fast --wal-method=stream --no-password
pg_verifybackup --quiet "$part"
# Its name is the first moment to which it can be restored.
finished=$(date --utc +%s)
name=$(date --utc --date="@$finished" +%Y%m%dT%H%M%SZ)
mv "$part" "$backup/base/$name"
sync "$backup/base"
ls -1 "$backup/base" | sort --reverse | tail --lines="+$((keep + 1))" | while read -r old; do
  rm -rf "${backup:?}/base/$old"
done
oldest=$(ls -1 "$backup/base" | sort | head --lines=1)
first=$(sed --quiet 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$backup/base/$oldest/backup_label")
pg_archivecleanup -x .gz "$backup/wal" "$first"
database=$(psql --no-align --tuples-only --command="SELECT quote_ident(current_database())")
psql --quiet --command="ALTER DATABASE $database SET rapport.backed_up_at = '$finished'"
echo "$name: $(du --summarize --human-readable "$backup" | cut --fields=1) in $backup"
