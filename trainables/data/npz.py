"""Reading the arrays of an .npz file that may be damaged or hostile. Nothing in it is executed, and no more memory is
taken than the file can fill.
"""

import math
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np

from trainables.data.arrays import NAMES, Array, Arrays, form_problems, shortened
from trainables.data.place import DataError, data_error, opened
from trainables.memory import memory_bytes
from trainables.tasks import Task

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

_MOST_DEFLATED = 1032
"""Deflate makes one byte of at most so many (zlib's technical details)."""


def read_npz(path: Path, task: Task = "classification") -> Arrays:
    """Reads the four arrays of an .npz file, checked for shape and type.

    Raises:
        DataError: the file or an array is missing, or an array has the wrong shape or type.
    """
    with opened(path) as file:
        return read_arrays(file, path, task)


def read_arrays(file: BinaryIO, path: Path, task: Task = "classification") -> Arrays:
    """The same from the opened file."""
    what = f"data npz: {path}"
    try:
        if not zipfile.is_zipfile(file):
            raise DataError(f"{what} is no .npz file, as numpy.savez writes it, or is cut short")
        with zipfile.ZipFile(file) as archive:
            arrays = _read(archive, os.fstat(file.fileno()).st_size)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{what}: there is not enough memory to read it") from error
    except _Unfit as error:
        raise data_error(what, error.args) from None
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile and numpy raise many kinds over damaged bytes.
        raise DataError(f"{what} is damaged: {shortened(error) or type(error).__name__}") from error
    if problems := list(form_problems(arrays, task)):
        raise data_error(what, problems)
    return arrays


class _Unfit(Exception):
    """Sentences about a file."""


def _read(archive: zipfile.ZipFile, num_bytes: int) -> Arrays:
    members = {name: f"{name}.npy" for name in NAMES}
    there = Counter(archive.namelist())
    if missing := [name for name, member in members.items() if member not in there]:
        held = shortened(", ".join(sorted(name.removesuffix(".npy") for name in there))) or "nothing"
        raise _Unfit(f"is without {', '.join(missing)}; it must hold {', '.join(NAMES)}, and holds {held}")
    if twice := [name for name, member in members.items() if there[member] > 1]:
        raise _Unfit(f"holds {', '.join(twice)} twice")
    infos = {name: archive.getinfo(member) for name, member in members.items()}
    problems = [f"{name} {wrong}" for name, info in infos.items() if (wrong := _unfit(archive, info, num_bytes))]
    if problems:
        raise _Unfit(*problems)
    needed, memory = sum(info.file_size for info in infos.values()), memory_bytes()
    if needed > memory:
        raise _Unfit(f"its arrays take {needed / 1e9:,.1f} GB, and this machine has {memory / 1e9:,.1f} GB of memory")
    return {name: _array(archive, info) for name, info in infos.items()}


def _unfit(archive: zipfile.ZipFile, info: zipfile.ZipInfo, num_bytes: int) -> str | None:
    """Why a member cannot be the array that it says it is; read from its header alone."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that numpy does not write"
    most = info.compress_size * (_MOST_DEFLATED if info.compress_type == zipfile.ZIP_DEFLATED else 1)
    if info.compress_size > num_bytes or info.file_size > most:
        return f"is damaged: {info.file_size:,} bytes cannot lie in {min(num_bytes, info.compress_size):,}"
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            return f"is of version {version} of numpy's format, which plain arrays do not need"
        shape, _, dtype = _HEADERS[version](member)
        content = info.file_size - member.tell()
    if dtype.hasobject:
        return "holds Python objects, which are never loaded (allow_pickle=False): give it a plain type"
    if math.prod(shape) * dtype.itemsize != content:
        return (
            f"is damaged: its header says {shortened(dtype)} {shortened(shape)}, which does not take {content:,} bytes"
        )
    return None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        # Up to its end, where zipfile compares its checksum.
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
        return array
