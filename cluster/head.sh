#!/usr/bin/env bash
# MLflow on the head of cluster.yaml: its database PostgreSQL, its artifacts in an S3 bucket. As often as one likes.
#     head.sh BUCKET     sets it up and waits until it answers
#     head.sh --dump     copies the database to shared storage; a timer does so every hour
#
# There is no password to keep: PostgreSQL is reached through a socket on this machine alone and has the kernel tell who
# asks, MLflow listens on loopback alone, and the bucket is opened by the machine's own role.
#
# The database lies on the head's own disk. A head that is stopped and started again has it still; a new one begins with
# the latest copy that it finds on shared storage.
set -euo pipefail

dumps=/mnt/grokgrid/mlflow
num_kept=48
here=$(cd "$(dirname "$0")" && pwd)

dump() {
    local new
    new=$dumps/$(date -u +%Y-%m-%dT%H%M%SZ).dump
    pg_dump --format=custom --file="$new.part" mlflow
    mv "$new.part" "$new"
    find "$dumps" -name '*.dump' | sort | head -n "-$num_kept" | xargs -r rm --
}

set_up_database() {
    sudo DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -qq --no-install-recommends \
        postgresql
    as_postgres() { (cd / && sudo -u postgres "$@"); }
    if [ -n "$(as_postgres psql -tAc 'SHOW listen_addresses')" ]; then
        as_postgres psql -qc "ALTER SYSTEM SET listen_addresses = ''"
        sudo systemctl restart postgresql
    fi
    if [ -z "$(as_postgres psql -tAc "SELECT 1 FROM pg_roles WHERE rolname = '$USER'")" ]; then
        as_postgres createuser "$USER"
    fi
    if [ -z "$(as_postgres psql -tAc "SELECT 1 FROM pg_database WHERE datname = 'mlflow'")" ]; then
        # Under another name until all is in it: if this is cut short, the next time begins anew.
        as_postgres dropdb --if-exists mlflow_new
        as_postgres createdb --owner="$USER" mlflow_new
        local latest
        latest=$(find "$dumps" -name '*.dump' | sort | tail -n 1)
        if [ -n "$latest" ]; then
            echo "this head's database begins with $latest"
            pg_restore --no-owner --exit-on-error --dbname=mlflow_new "$latest"
        fi
        as_postgres psql -qc "ALTER DATABASE mlflow_new RENAME TO mlflow"
    fi
}

unit() { sudo tee "/etc/systemd/system/$1" >/dev/null; }

set_up_services() {
    unit grokgrid-mlflow.service <<END
[Unit]
Description=MLflow for grokgrid, on loopback alone
After=postgresql.service
[Service]
User=$USER
WorkingDirectory=/
Environment=MLFLOW_DISABLE_TELEMETRY=true
Environment="MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2:///mlflow?host=/var/run/postgresql"
Environment="MLFLOW_ARTIFACTS_DESTINATION=s3://$1/artifacts"
ExecStart=$here/../.venv/bin/mlflow server --host 127.0.0.1 --port 5000 --workers 2
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
END
    unit grokgrid-dump.service <<END
[Unit]
Description=A copy of MLflow's database on shared storage
[Service]
Type=oneshot
User=$USER
ExecStart=$here/head.sh --dump
END
    unit grokgrid-dump.timer <<END
[Unit]
Description=Every hour
[Timer]
OnCalendar=hourly
[Install]
WantedBy=timers.target
END
    sudo systemctl daemon-reload
    sudo systemctl enable --now grokgrid-dump.timer
    sudo systemctl enable grokgrid-mlflow.service
    sudo systemctl restart grokgrid-mlflow.service
}

wait_for_mlflow() {
    for _ in $(seq 60); do
        curl --silent --fail --output /dev/null http://127.0.0.1:5000/health && return
        sleep 2
    done
    sudo journalctl --unit grokgrid-mlflow.service --lines 50 --no-pager >&2
    return 1
}

mkdir -p "$dumps"
if [ "$1" = --dump ]; then
    dump
else
    set_up_database
    set_up_services "$1"
    wait_for_mlflow
fi
