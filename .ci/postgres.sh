#!/usr/bin/env bash
# Prints the URI of a throw-away PostgreSQL server on this machine's loopback, after installing (Debian) and starting
# it where need be. Run again it prints the same. GROKGRID_POSTGRES_DIR says where it lives.
#     export GROKGRID_TEST_POSTGRES="$(.ci/postgres.sh)"
set -euo pipefail

dir=${GROKGRID_POSTGRES_DIR:-${TMPDIR:-/tmp}/grokgrid-postgres-$(id -u)}

find_binaries() {
    local initdb
    initdb=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
    [ -n "$initdb" ] && dirname "$(readlink -f "$initdb")"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# PostgreSQL refuses to run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }

{
    if ! bin=$(find_binaries); then
        as_root apt-get update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
        bin=$(find_binaries)
    fi

    if ! as_postgres "$bin/pg_ctl" status -D "$dir/data"; then
        rm -rf "$dir"
        mkdir -p "$dir"
        [ "$(id -u)" = 0 ] && chown postgres "$dir"
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
        as_postgres bash -c "umask 077 && echo '$password' >'$dir/password'"
        as_postgres "$bin/initdb" -D "$dir/data" -U grokgrid --auth=scram-sha-256 --pwfile="$dir/password" \
            --encoding=UTF8 --locale=C --no-sync
        # Nothing in it outlives the tests, so it need not wait for the disk.
        as_postgres "$bin/pg_ctl" start -w -D "$dir/data" -l "$dir/log" \
            -o "-h 127.0.0.1 -p $port -k '' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        echo "postgresql://grokgrid:$password@127.0.0.1:$port/postgres" >"$dir/uri"
        chmod 600 "$dir/uri"
    fi
} >&2

cat "$dir/uri"
