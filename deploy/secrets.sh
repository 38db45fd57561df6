#!/bin/sh
# Makes the secrets of compose.yaml, once: random passwords in deploy/secrets/, readable by you alone.
# What is there already stays, so it may run again.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# Writes standard input to a file that appears whole or not at all.
write() {
    cat >"$1.new"
    mv "$1.new" "$1"
    printf 'made %s\n' "secrets/$1" >&2
}

for name in postgres-password minio-root-password store-password; do
    [ -s "$name" ] || random | write "$name"
done

[ -s gateway.env ] || write gateway.env <<END
PHALANX_DATABASE_URL=postgres://phalanx:$(cat postgres-password)@postgres/phalanx
AWS_ACCESS_KEY_ID=phalanx
AWS_SECRET_ACCESS_KEY=$(cat store-password)
END
