#!/bin/sh
# Creates PostgreSQL's roles when its data folder is new: the operator owns and migrates the tables; each service
# reads and writes its own schema only, and serves requests in a role that sees one practice's rows at a time. The
# secrets volume provides verifiers, not passwords. For a server elsewhere:
# PGHOST=… POSTGRES_USER=postgres POSTGRES_DB=rapport RAPPORT_VERIFIERS_DIR=… sh deploy/compose/postgres/roles.sh
set -eu
verifiers=${RAPPORT_VERIFIERS_DIR:-/run/rapport/postgres}
psql --host="${PGHOST:-/var/run/postgresql}" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --quiet --set=ON_ERROR_STOP=1 \
  --set=operator="$(cat "$verifiers/operator.scram")" \
  --set=detector="$(cat "$verifiers/detector.scram")" \
  --set=notifier="$(cat "$verifiers/notifier.scram")" <<'SQL'
CREATE ROLE operator LOGIN PASSWORD :'operator';
CREATE ROLE detector LOGIN PASSWORD :'detector';
CREATE ROLE notifier LOGIN PASSWORD :'notifier';

-- Without their rights by itself (INHERIT FALSE): only a session that takes the role is bound by its policies.
CREATE ROLE detector_tenant NOLOGIN;
CREATE ROLE notifier_tenant NOLOGIN;
GRANT detector_tenant TO detector WITH INHERIT FALSE, SET TRUE;
GRANT notifier_tenant TO notifier WITH INHERIT FALSE, SET TRUE;

REVOKE ALL ON DATABASE rapport FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE rapport TO operator;
GRANT CONNECT, TEMPORARY ON DATABASE rapport TO detector, notifier;

CREATE SCHEMA detector AUTHORIZATION operator;
GRANT USAGE ON SCHEMA detector TO detector;
ALTER DEFAULT PRIVILEGES FOR ROLE operator IN SCHEMA detector
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO detector;
ALTER DEFAULT PRIVILEGES FOR ROLE operator IN SCHEMA detector GRANT USAGE, SELECT ON SEQUENCES TO detector;

CREATE SCHEMA notifier AUTHORIZATION operator;
CREATE SCHEMA notifier_jobs AUTHORIZATION operator;
GRANT USAGE ON SCHEMA notifier, notifier_jobs TO notifier;
ALTER DEFAULT PRIVILEGES FOR ROLE operator IN SCHEMA notifier, notifier_jobs
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO notifier;
ALTER DEFAULT PRIVILEGES FOR ROLE operator IN SCHEMA notifier, notifier_jobs
  GRANT USAGE, SELECT ON SEQUENCES TO notifier;
SQL
