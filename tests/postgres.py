"""Databases of their own on the PostgreSQL server that tests are pointed at."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def database() -> Iterator[str]:
    """Its URI. Skips the test where there is no server."""
    server = os.environ.get("GROKGRID_TEST_POSTGRES")
    if server is None:
        pytest.skip("GROKGRID_TEST_POSTGRES names no PostgreSQL server; `.ci/postgres.sh` starts one")
    import psycopg2

    name = f"grokgrid_{secrets.token_hex(6)}"
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield f"{server.rpartition('/')[0]}/{name}"
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    connection.close()
