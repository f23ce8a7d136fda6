"""Whether a database is MLflow's, and of the version that is installed here.

MLflow itself creates its tables in whatever database it is given, and upgrades an older one without asking, after which
servers of the older version refuse it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from grokgrid.tracking.away import TrackingError, redact, shown

if TYPE_CHECKING:
    from sqlalchemy import Engine

_TABLES = {"experiments", "runs", "metrics", "params"}
_VERSION = "alembic_version"
"""The table in which alembic, by which many programs change their tables, keeps the version."""


def check_database(uri: str) -> None:
    """Connects once, and so finds out quickly whether there is anything: MLflow would try for more than a minute.

    Raises:
        TrackingError: MLflow cannot use the database, or must not.
    """
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri)
    except ModuleNotFoundError as error:
        raise TrackingError(
            f"{shown(uri)} needs the Python package {error.name}, which is not installed;"
            " for PostgreSQL: pip install 'grokgrid[postgres]'."
        ) from error
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        scheme, _, rest = uri.partition(":")
        server = f" A server: http://{uri}." if rest.partition("/")[0].isdecimal() else ""
        raise TrackingError(
            f"MLFLOW_TRACKING_URI is {shown(uri)!r}: SQLAlchemy knows no such database. Give sqlite:///FILE,"
            f" postgresql://… or http://….{server}"
        ) from error
    try:
        _check_tables(engine, uri)
    finally:
        engine.dispose()


def _check_tables(engine: "Engine", uri: str) -> None:
    import sqlalchemy

    with engine.connect() as connection:
        tables = set(sqlalchemy.inspect(connection).get_table_names())
        versions = (
            list(connection.execute(sqlalchemy.text(f"SELECT version_num FROM {_VERSION}")).scalars())
            if _VERSION in tables
            else []
        )
    others = sorted(tables - {_VERSION})
    if not others:
        return  # MLflow creates its tables.
    if not set(others) >= _TABLES:
        some = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise TrackingError(
            f"{shown(uri)} is the database of another program, with the tables {some} and not those of MLflow. Give"
            " MLflow one of its own: export MLFLOW_TRACKING_URI=…"
        )
    _check_version(uri, str(versions[0]) if versions else None)


def _check_version(uri: str, found: str | None) -> None:
    import mlflow
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    place = shown(uri)
    known = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    if found == known.get_current_head():
        return
    ours = f"MLflow {mlflow.__version__}, which is installed here"
    try:
        if found is not None:
            known.get_revision(found)
    except CommandError:
        raise TrackingError(
            f"{place} was last used by a newer MLflow than {ours}: it does not know the version {found} of its tables."
            " Install the newer one, pip install --upgrade mlflow, or name another database by MLFLOW_TRACKING_URI."
        ) from None
    raise TrackingError(
        f"{place} was made by an older MLflow than {ours}. Make a copy of it, and then upgrade it: mlflow db upgrade"
        f" '{redact(uri.partition('?')[0])}'. MLflow servers that use it must then be upgraded, too."
    )
