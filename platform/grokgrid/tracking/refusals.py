"""What an MLflow server or a database refuses, as a sentence that says what mends it.

A refusal lasts until somebody acts: on credentials, an address, a certificate, a schema. What may pass by itself (a
refused connection, a status from 500 on) is no refusal; `away.is_away` recognises it.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any

from grokgrid.tracking.away import TrackingRefused, chain, hide, shown

_QUESTION = "/api/2.0/mlflow/experiments/search"
_STATUS = re.compile(r"failed with error code (\d{3})")
_ADDRESS = "Correct the address: export MLFLOW_TRACKING_URI=http://HOST:PORT"
_LOG_IN = "export MLFLOW_TRACKING_TOKEN=…, or MLFLOW_TRACKING_USERNAME=… and MLFLOW_TRACKING_PASSWORD=…"
_STATUS_OF_CODES = {
    "UNAUTHENTICATED": 401,
    "CUSTOMER_UNAUTHORIZED": 401,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
}


def check_server(uri: str) -> None:
    """Asks the server once. MLflow's own exceptions often lack the status of an answer, and what sent it.

    Raises:
        TrackingRefused: the server refuses, or is not MLflow's.
    """
    answer = _ask(uri, "POST", _QUESTION, json={"max_results": 1})
    if wrong := _wrong_with(uri, answer):
        raise TrackingRefused(hide(uri, wrong))


def check_keeps_files(uri: str) -> None:
    """Raises:
    TrackingRefused: the server was started without what keeps artifacts. It says so by a status of passing trouble.
    """
    answer = _ask(uri, "GET", "/api/2.0/mlflow-artifacts/artifacts")
    if wrong := _of_status(uri, answer.status_code, answer.text):
        raise TrackingRefused(hide(uri, wrong))


def refusal(uri: str, error: BaseException, handled: BaseException | None = None) -> str | None:
    """The sentence for an exception that came out of MLflow; None if it is no refusal."""
    links = list(chain(error, handled))
    for of_links in (_of_network, _of_database, _of_answers):
        for sentence in of_links(uri, links):
            return hide(uri, sentence)
    return None


def excerpt(text: str) -> str:
    """The beginning of what a stranger wrote, fit for a line of a terminal."""
    if title := re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE):
        text = title[1]
    plain = unescape(re.sub(r"<[^>]*>", " ", text))
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())
    return line if len(line) <= 120 else f"{line[:119]}…"


def _ask(uri: str, method: str, endpoint: str, **content: Any) -> Any:
    """With the credentials and certificates that MLflow's client would use."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    credentials = get_default_host_creds(uri)
    answer = http_request(credentials, endpoint, method, max_retries=0, raise_on_status=False, **content)
    answer.encoding = "utf-8"
    return answer


def _wrong_with(uri: str, answer: Any) -> str | None:
    """What is wrong with the answer to a question that MLflow can always answer."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    # Without a single experiment MLflow's answer is {}.
    is_mlflows = isinstance(content, dict) and (not content or bool(content.keys() & {"experiments", "error_code"}))
    if answer.ok and is_mlflows or answer.status_code in (408, 429):
        return None
    if answer.history:
        there = shown(answer.url).removesuffix(_QUESTION)
        return (
            f"MLflow at {shown(uri)} redirects to {there}. If that is a page to log in: {_LOG_IN}. If MLflow has moved:"
            f" export MLFLOW_TRACKING_URI={there}"
        )
    return _of_status(uri, answer.status_code, answer.text) or (
        None if is_mlflows or answer.status_code >= 500 else not_mlflow(uri, answer.text)
    )


def _of_status(uri: str, status: int, text: str) -> str | None:
    place, said = f"MLflow at {shown(uri)}", excerpt(text)
    said = f" It says: {said}." if said else ""
    match status:
        case 400 if "https" in text.lower():
            return f"{place} speaks https only: export MLFLOW_TRACKING_URI={shown(uri).replace('http:', 'https:', 1)}"
        case 401 if given := _given(uri):
            return f"{place} does not accept the credentials in {given} (status 401).{said} Correct them."
        case 401:
            return f"{place} requires credentials (status 401).{said} Set them: {_LOG_IN}"
        case 403 if "host header" in text.lower():
            return (
                f"{place} does not answer to that host name (status 403).{said} Start it with"
                " `mlflow server --allowed-hosts`, which lists its names."
            )
        case 403:
            given = _given(uri)
            who = f"The credentials in {given} lack the right to it." if given else f"Set credentials: {_LOG_IN}"
            return f"{place} denies permission (status 403).{said} {who}"
        case 404 | 405:
            return (
                f"{place} does not have the pages of an MLflow server (status {status}): the address is wrong, lacks a"
                f" path, or the server is much older than MLflow here.{said} {_ADDRESS}"
            )
        case 407:
            return _of_proxy(uri)
        case 413:
            return (
                f"{place} refuses a file for its size (status 413).{said} Raise the limit of the server or of the proxy"
                " before it (nginx: client_max_body_size), or set `keep_checkpoints: false` in the study."
            )
        case _ if "serve-artifacts" in text:
            return (
                f"{place} was started with --no-serve-artifacts, but its experiments keep their artifacts with it."
                " Start it without that option."
            )
    return None


def not_mlflow(uri: str, text: str) -> str:
    """text: what the answer said, or held."""
    said = f": “{excerpt(text)}”" if text.strip() else ", and empty"
    return (
        f"The answer from {shown(uri)} is not MLflow's{said}. {_ADDRESS} If it is a page to log in, set credentials:"
        f" {_LOG_IN}"
    )


def _given(uri: str) -> str:
    """Where the credentials came from that were sent."""
    names = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_AUTH")
    given = [name for name in names if os.environ.get(name)]
    if "@" in uri.partition("://")[2].partition("/")[0]:
        given.append("MLFLOW_TRACKING_URI")
    return " and ".join(given)


def _of_proxy(uri: str) -> str:
    names = [name for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if {name, name.lower()} & os.environ.keys()]
    variable = " or ".join(names) or "HTTPS_PROXY"
    return (
        f"The proxy before MLflow at {shown(uri)} requires credentials (status 407): export"
        f" {variable}=http://NAME:PASSWORD@HOST:PORT, or list hosts that need no proxy in NO_PROXY."
    )


def _of_network(uri: str, links: Sequence[BaseException]) -> Iterator[str]:
    texts = [str(link) for link in links]
    names = {type(link).__name__ for link in links}
    if any("407 Proxy Authentication" in text for text in texts):
        yield _of_proxy(uri)
    unknown = names & {"gaierror", "NameResolutionError"} or any("could not translate host" in text for text in texts)
    # A name server that is away says "temporary".
    if unknown and not any("Temporary failure" in text for text in texts):
        yield f"{shown(uri)}: no host of that name is known. {_ADDRESS}"
    if names & {"SSLError", "SSLCertVerificationError"}:
        yield _of_tls(uri, " ".join(texts))
    if names & {"InvalidURL", "MissingSchema", "InvalidSchema", "LocationParseError", "InvalidUrlException"}:
        yield f"{shown(uri)} is not the address of a server. {_ADDRESS}"
    if "TooManyRedirects" in names:
        yield f"MLflow at {shown(uri)} redirects in circles. {_ADDRESS} Or set credentials: {_LOG_IN}"


def _of_tls(uri: str, text: str) -> str:
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
        http = shown(uri).replace("https:", "http:", 1)
        return f"MLflow at {shown(uri)} does not speak https: export MLFLOW_TRACKING_URI={http}"
    why = re.search(r"certificate verify failed: ([^(\]]*)", text)
    return (
        f"The certificate of MLflow at {shown(uri)} is not trusted{': ' + why[1].strip() if why else ''}. Name a file"
        " with its authority's, export MLFLOW_TRACKING_SERVER_CERT_PATH=FILE, or trust any: export"
        " MLFLOW_TRACKING_INSECURE_TLS=true"
    )


_NAME_ANOTHER = "or name another: export MLFLOW_TRACKING_URI=…"
_OF_DATABASES = {
    r"password authentication failed|no password supplied|password required|Access denied for user": (
        "does not accept the name and the password: export MLFLOW_TRACKING_URI=postgresql://NAME:PASSWORD@HOST/DATABASE"
    ),
    r'role ".*" does not exist': (
        "has no such user: export MLFLOW_TRACKING_URI=postgresql://NAME:PASSWORD@HOST/DATABASE"
    ),
    r'database ".*" does not exist|Unknown database': f"does not exist: create it (`createdb`), {_NAME_ANOTHER}",
    r"no pg_hba.conf entry": "does not let this machine in: add it to the server's pg_hba.conf",
    r"permission denied|must be owner of": (
        "does not give this user the rights that MLflow needs: GRANT ALL ON SCHEMA public TO NAME"
    ),
    r"server does not support SSL": "does not speak TLS: leave sslmode out of MLFLOW_TRACKING_URI",
    r"readonly database|read-only transaction": (
        f"can be read, but not written to: mend the rights on it (of a file, on its folder too), {_NAME_ANOTHER}"
    ),
    r"not a database|file is encrypted|malformed|unsupported file format": (
        f"is damaged, or no database of SQLite: `sqlite3 FILE .recover` prints what can be read of it; {_NAME_ANOTHER}"
    ),
    r"no such table|no such column|relation .* does not exist|column .* does not exist": (
        f"lacks a table or a column: `mlflow db upgrade` adds what is new, {_NAME_ANOTHER}"
    ),
}


def _of_database(uri: str, links: Sequence[BaseException]) -> Iterator[str]:
    # Looked up, not imported: it cannot have raised before it was loaded.
    sqlalchemy = sys.modules.get("sqlalchemy.exc")
    for link in links:
        if sqlalchemy is not None and isinstance(link, sqlalchemy.DBAPIError):
            said = str(link.orig)
            for pattern, wrong in _OF_DATABASES.items():
                if re.search(pattern, said):
                    yield f"The database {shown(uri)} {wrong}. It says: {excerpt(said)}"


def _of_answers(uri: str, links: Sequence[BaseException]) -> Iterator[str]:
    """Of a server that answered, but not as MLflow does when all is well."""
    for link in links if uri.startswith(("http:", "https:")) else ():
        text, answer = str(link), getattr(link, "response", None)
        body = text.partition("Response body: '")[2]
        status: int | None = None
        if answer is not None:
            status, body = answer.status_code, answer.text
        elif found := _STATUS.search(text):
            status = int(found[1])
        elif "not in a valid JSON format" in text:
            yield not_mlflow(uri, body)
        elif type(link).__name__ == "RestException":
            content: dict[str, Any] = getattr(link, "json", {})
            if "error_code" not in content:
                yield not_mlflow(uri, str(content))
            status = _STATUS_OF_CODES.get(str(content.get("error_code")))
            body = str(content.get("message", ""))
        if status is not None and (sentence := _of_status(uri, status, body)):
            yield sentence
