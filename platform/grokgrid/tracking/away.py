"""Telling "MLflow cannot be reached" from a problem, and keeping passwords out of what is shown."""

import re
import sys
from collections.abc import Iterator
from urllib.parse import unquote

from trainables.faults import ENVIRONMENT

_SECRETS = re.compile(r"(?<=://)([^:/@]*:)([^@]*)(?=@)|([?&][^=&]*(?:password|token|secret)[^=&]*=)([^&#]*)")

_STATUS = re.compile(r"failed with error code (\d{3}) !=")


class TrackingError(Exception):
    """Something the user has to put right."""


class TrackingRefused(TrackingError):
    """The server or database refuses, until somebody acts. Before a run starts it ends there; a run that has started
    waits as it does for one that is away, for it may be somebody else's to put right.
    """


class TrackingAway(Exception):
    """The tracking server or database cannot be reached, or is in trouble: try again later.

    The cause is kept as `__cause__`; the message names no password.
    """

    def __init__(
        self, uri: str, cause: BaseException, handled: BaseException | None = None, whose: str = "MLflow"
    ) -> None:
        # What MLflow says itself is long, and the same whatever the trouble.
        *_, origin = chain(cause, handled)
        lines = str(origin).strip().splitlines() or [type(origin).__name__]
        super().__init__(f"{whose} at {redact(uri.partition('?')[0])} cannot be reached: {hide(uri, lines[0])}")


def redact(uri: str) -> str:
    """The tracking URI without its secrets, to be shown or stored."""
    return _SECRETS.sub(lambda match: f"{match[1] or match[3]}***", uri)


def shown(uri: str) -> str:
    """The tracking URI as people wrote it, without secrets, and without the driver and settings that grokgrid adds."""
    scheme, separator, rest = redact(uri).partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest.partition('?')[0]}"


def hide(uri: str, text: str) -> str:
    """`text` without the secrets of the tracking URI, wherever they turn up."""
    for match in _SECRETS.finditer(uri):
        for secret in {match[2] or match[4], unquote(match[2] or match[4] or "")}:
            if secret:
                text = text.replace(secret, "***")
    return text


def is_away(error: BaseException, handled: BaseException | None = None) -> bool:
    """Whether an exception out of MLflow says that its server or database is away or in trouble.

    handled: what was being handled when MLflow was called, which is no part of why it failed
    """
    return any(_is_away(link) for link in chain(error, handled))


def chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The exception and those it came from. MLflow often raises without `from`, so that `__context__` alone tells."""
    link: BaseException | None = error
    while link is not None and link is not handled:
        yield link
        link = link.__cause__ or link.__context__


def _is_away(error: BaseException) -> bool:
    if isinstance(error, TrackingAway | ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) and error.errno in ENVIRONMENT:
        return True
    # Looked up, not imported: none of them can have raised before it was loaded.
    if (sqlalchemy := sys.modules.get("sqlalchemy.exc")) and isinstance(error, sqlalchemy.DBAPIError):
        return isinstance(error, sqlalchemy.OperationalError) or bool(error.connection_invalidated)
    if (requests := sys.modules.get("requests.exceptions")) and isinstance(error, requests.RequestException):
        if error.response is not None:
            return _is_trouble(error.response.status_code)
        return not isinstance(error, requests.InvalidURL | requests.MissingSchema | requests.InvalidSchema)
    if (mlflow := sys.modules.get("mlflow.exceptions")) and isinstance(error, mlflow.MlflowException):
        # Of a server in front of MLflow's, only the text has the status.
        status = _STATUS.search(str(error))
        return _is_trouble(int(status[1]) if status else error.get_http_status_code()) and (
            status is not None or isinstance(error, mlflow.RestException)
        )
    return False


def _is_trouble(http_status: int) -> bool:
    return http_status >= 500 or http_status in (408, 429)
