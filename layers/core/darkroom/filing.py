"""
Where a dropped file and what comes of it lie, and what its rows are called.

A name here is made of nothing but the file's place and version, so whoever comes again finds the same. Keys are taken
literally, as S3 has them.
"""

import re
from typing import Literal, get_args
from urllib.parse import quote

from darkroom import task

Form = Literal["jsonl", "csv", "txt", "json"]

#: Rows and bytes of a file, and bytes of one row.
ROWS_CAP = 100_000
BYTES_CAP = 200_000_000
ROW_CAP = 256 * 1024
#: Bytes of a custom_id once it is a file's name, and of a results folder: a key of S3 has 1024.
NAME_CAP = 256
FOLDER_CAP = 512

#: Endings of files that people take for one of the forms: they are told, and nothing is made.
MISTAKEN = frozenset(("xlsx", "xls", "ods", "tsv", "ndjson", "gz", "zip", "parquet", "yaml", "yml"))

_DEFAULTS = "_defaults.json"
_DEFAULT_TENANT = "default"
_PICTURE = re.compile(r"\.(png|jpe?g|webp|gif|avif|bmp|tiff?|heic)", re.IGNORECASE)
#: What a results folder has of its own; another batch must not lie in it.
_OWN = ("images", "records")


def form(key: str) -> Form | None:
    """The form of a file that starts a batch, by its ending; None for any other file."""
    name = key.rpartition("/")[2]
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return next((each for each in get_args(Form) if each == ending and name != _DEFAULTS), None)


def picture(key: str) -> str | None:
    """The key of the picture that a sidecar is named after; None if the file is no sidecar."""
    of_picture = key.rpartition(".")[0]
    stem, dot, ending = of_picture.rpartition("/")[2].rpartition(".")
    sidecar = form(key) in ("json", "txt") and stem and _PICTURE.fullmatch(dot + ending)
    return of_picture if sidecar else None


def tenant(key: str) -> str:
    """Whose file it is: its first folder says it."""
    folder, slash, _ = key.partition("/")
    return (folder if slash else "") or _DEFAULT_TENANT


def defaults(key: str) -> tuple[str, ...]:
    """Keys of the defaults that may count for a file, nearest first; the nearest that exists counts alone."""
    folders = key.split("/")[:-1]
    lowest = 0 if tenant(key) == _DEFAULT_TENANT else 1
    return tuple("/".join([*folders[:depth], _DEFAULTS]) for depth in range(len(folders), lowest - 1, -1))


def batch_id(bucket: str, key: str, version: str) -> str:
    """The batch's id, of the form of a task's. No tenant is called as the first part is, so it is never a task's."""
    return task.name(f"s3://{bucket}/{key}", version)


def row_key(bucket: str, key: str, version: str, custom_id: str) -> str:
    """The idempotency key of a row."""
    return f"{bucket}/{key}@{version}#{custom_id}"


def folder(key: str) -> str:
    """Where a file's results lie, with a / at its end."""
    return _results(key, "")


def another_folder(key: str, batch: str, stored: str) -> str:
    """
    Where they lie if `folder` is taken by another version, or by a file that differs in its ending only.

    batch: its id. stored: when the file was, as 20261121T180211Z.
    """
    return _results(key, f"@{stored}-{batch[:6]}")


def safe(custom_id: str) -> str:
    """
    A custom_id as (part of) a file's name, from which urllib.parse.unquote makes the custom_id again.

    Raises ValueError if it is longer than NAME_CAP bytes.
    """
    name = "".join(each if each.isalnum() or each in "-_. " else quote(each, safe="") for each in custom_id)
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name.encode()) > NAME_CAP:
        raise ValueError(f"is longer than {NAME_CAP} bytes, as a file's name")
    return name


def _results(key: str, suffix: str) -> str:
    path, slash, name = key.rpartition("/")
    name = (name.rpartition(".")[0] or name) + suffix
    folders = [*(path.split("/") if slash else ()), f"{name}_" if name in _OWN else name]
    found = "/".join(("results", *(_no_way_up(each) for each in folders))) + "/"
    if len(found.encode()) > FOLDER_CAP:
        return f"results/{tenant(key)[: NAME_CAP // 4]}/{task.name('results', key)}{suffix}/"
    return found


def _no_way_up(name: str) -> str:
    """`.` and `..` are no folders in S3, but they lead astray whoever copies the results to a disk."""
    return name.replace(".", "%2E") if name in (".", "..") else name
