"""Variables of other programs, which neither break nor change what grokgrid does.

Libraries read hundreds of variables. Those that say where something is, or let us in, are the user's to set; all others
of the same libraries are left out: of the command's own process as it starts, before it imports them, and of the local
Ray's. docs/environment.md is the table for users. A process that imports grokgrid as a library keeps its own.
"""

import itertools
import locale
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

_FAMILIES = (
    *("MLFLOW_", "_MLFLOW_", "RAY_", "TUNE_", "OPTUNA_", "SQLALCHEMY_", "ALEMBIC_"),
    *("MPL", "MATPLOTLIB", "PYTHON", "TORCH", "PYTORCH", "ATEN_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "ONEDNN_", "DNNL_"),
    *("CUBLAS_", "CUBLASLT_", "CUDNN_", "NVIDIA_TF32_OVERRIDE", "TERMINAL_WIDTH"),
)
KEPT = frozenset(
    {
        # Where MLflow is and keeps files, and what lets us in.
        *(f"MLFLOW_TRACKING_{name}" for name in ("URI", "USERNAME", "PASSWORD", "TOKEN", "AUTH", "AWS_SIGV4")),
        *(f"MLFLOW_TRACKING_{name}" for name in ("INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH")),
        *("MLFLOW_WORKSPACE", "MLFLOW_KERBEROS_TICKET_CACHE", "MLFLOW_KERBEROS_USER"),
        *("MLFLOW_MYSQL_SSL_CA", "MLFLOW_MYSQL_SSL_CERT", "MLFLOW_MYSQL_SSL_KEY"),
        *("MLFLOW_S3_ENDPOINT_URL", "MLFLOW_S3_IGNORE_TLS", "MLFLOW_S3_UPLOAD_EXTRA_ARGS"),
        *("MLFLOW_S3_EXPECTED_BUCKET_OWNER", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"),
        # Where a cluster is, and what lets us in.
        *("RAY_ADDRESS", "RAY_TMPDIR", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"),
        *("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT"),
        # Where Python finds modules and keeps their bytecode; the rest of these decides nothing.
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONSAFEPATH", "PYTHONPYCACHEPREFIX"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONHASHSEED", "PYTHONSTARTUP", "PYTHONFAULTHANDLER"),
        # Where plots, weights and extensions are cached; how torch shares out a GPU's memory.
        *("MPLCONFIGDIR", "TORCH_HOME", "TORCH_EXTENSIONS_DIR", "TORCH_CUDA_ARCH_LIST"),
        *("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"),
    }
)
_OWN = frozenset({"grokgrid", "search_spaces", "trainables"})
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray for a job's driver, which needs what Ray has set."""


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, without what others' variables would disturb."""
    families = tuple(each for each in _FAMILIES if each != "RAY_" or _JOB not in environment)
    kept = {
        name: text
        for name, text in environment.items()
        if name in KEPT or not (_is_of(name, families) or _is_no_size(name, text))
    }
    # Matplotlib would read the user's own settings, and a file of its name in the working folder. Pydantic would look
    # for plugins in every package that is installed, at every start.
    ours = {"MATPLOTLIBRC": os.devnull, "PYTHONUTF8": "1", "PYDANTIC_DISABLE_PLUGINS": "1"}
    return kept | _without_proxy_for_loopback(kept) | ours


def clean(environment: MutableMapping[str, str] = os.environ) -> None:
    """Cleans this process's environment. Where Python itself has read it already, this process starts anew."""
    wanted = cleaned(environment)
    lost = environment.keys() - wanted.keys()
    is_utf8 = sys.flags.utf8_mode or locale.getencoding().lower() in ("utf-8", "utf8") or "utf8" in sys._xoptions
    is_late = any(name.startswith("PYTHON") for name in lost) or not is_utf8
    for name in lost:
        del environment[name]
    environment.update(wanted)
    if is_late and not sys.flags.ignore_environment:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _is_of(name: str, families: tuple[str, ...]) -> bool:
    # PYTHON_VERSION and its like, in images of Python, are nothing that Python reads.
    return name.startswith(families) and not name.startswith("PYTHON_")


def _is_no_size(name: str, text: str) -> bool:
    """Of a terminal. In one of 0 columns, nothing would be printed."""
    return name in ("COLUMNS", "LINES") and not (text.isdecimal() and int(text) > 0)


def hidden() -> list[str]:
    """Files and folders on Python's path that hide a library, so that nothing works as it should."""
    import sysconfig
    from importlib.metadata import packages_distributions

    names = {*sys.stdlib_module_names, *packages_distributions()}
    places = sysconfig.get_paths()
    before = itertools.takewhile(lambda folder: folder != places["stdlib"], sys.path)
    ours = {places["scripts"], places["purelib"], places["platlib"]}
    found = []
    for folder in map(Path, (each for each in before if each not in ours)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            is_module = path.suffix == ".py" or (path / "__init__.py").exists()
            if is_module and path.stem in names and path.stem not in _OWN:
                found.append(str(path))
    return found


def _without_proxy_for_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """A proxy's loopback is not this machine's."""
    if not any(environment.get(name) or environment.get(name.upper()) for name in _PROXIES):
        return {}
    hosts = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if hosts.strip() == "*":
        return {}
    joined = ",".join([hosts, *(host for host in _LOOPBACK if host not in hosts.split(","))]).strip(",")
    return {"no_proxy": joined, "NO_PROXY": joined}
