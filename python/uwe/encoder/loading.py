"""`uwe.load`: a model by the name it ships under, from a folder, or from the hub."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uwe.calibration import CALIBRATION_FILE
from uwe.checks import path_of
from uwe.encoder.text_encoder import (
    CONFIG_FILE,
    ONNX_FILE,
    SKILL_HEAD_FILE,
    TOKENIZER_FILE,
    TextEncoder,
)
from uwe.errors import InputError, ModelError, shown

SHIPPED_MODEL = "uwe-mini"
"""Name of the model that is installed with the package."""

_ASSETS = Path(__file__).parents[1] / "assets"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_log = logging.getLogger(__name__)


def load(source: str | Path | None = None, *, threads: int | None = None) -> TextEncoder:
    """Load a model; its files are read at first use.

    Args:
        source: None or `"uwe-mini"` for the shipped model; a folder that has `uwe.json`,
            `tokenizer.json`, and `model.onnx` or `onnx/model.onnx` (and `calibration.json` and
            `skill_head.npz`, if it is to be confident and to extract); or `"organisation/name"` on
            the Hugging Face hub, downloaded once into its cache. A folder that exists wins over
            the hub, of which only the cache is asked for a name below a folder that exists.
        threads: Threads of one `encode`; None takes what `uwe.set_threads` says.

    Raises:
        ModelError: If there is no such model, a file is missing or malformed, or the hub cannot
            be reached.
        InputError: If `source` is neither text nor path, or `threads` is no integer from 1 to 1024.
    """
    if source is None or (isinstance(source, str) and source == SHIPPED_MODEL):
        return TextEncoder(_ASSETS / SHIPPED_MODEL, source=SHIPPED_MODEL, threads=threads)
    blank = isinstance(source, str) and not source.strip()
    if blank or not isinstance(source, str | Path):
        raise InputError(
            f"expected a folder, a hub id such as 'organisation/name', or None, got {shown(source)}"
        )
    folder = _expanded(path_of("source", source))
    if isinstance(source, str) and not folder.is_dir() and is_hub_id(source):
        return TextEncoder(_download(source), source=source, threads=threads)
    return TextEncoder(folder, threads=threads)


def is_hub_id(source: str, file: str = CONFIG_FILE) -> bool:
    """Whether `source` can be the id of a model on the hub, which has `file`.

    What would lie in a folder that is here is a path with a slip, unless the hub's cache has it.
    """
    if not _HUB_ID.fullmatch(source):
        return False
    if not Path(source).parent.is_dir():
        return True
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(source, file), str)


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Without the lines of the hub's client, which is imported, about each of its tries.

    The last error says it all. Each use has a filter of its own, as several threads may load.
    """
    handlers = list(logging.getLogger("huggingface_hub").handlers)

    def grave(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    for handler in handlers:
        handler.addFilter(grave)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(grave)


def _expanded(source: Path) -> Path:
    try:
        expanded = source.expanduser()
    except RuntimeError:  # an unknown user, or one without a home
        raise ModelError(
            f"{source}: expected a model folder, but there is no home for its '~': correct the path"
        ) from None
    try:
        expanded.stat()
    except OSError as error:  # another one is told by who reads it
        if error.errno == errno.ENAMETOOLONG:
            raise ModelError(
                f"expected a model folder, got {shown(str(source))}, which is too long for a "
                "path: correct it"
            ) from None
    return expanded


def _download(repository: str) -> Path:
    """Folder in the hub's cache that holds the model's files, all of one commit."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    def fetch(name: str, revision: str | None = None) -> Path:
        with quiet_hub():
            return Path(hf_hub_download(repository, name, revision=revision))

    try:
        if try_to_load_from_cache(repository, CONFIG_FILE) is None:
            _log.info("%s: no folder here: asking the hub for it", repository)
        folder = fetch(CONFIG_FILE).parent
        commit = folder.name
        fetch(TOKENIZER_FILE, commit)
        try:
            fetch(ONNX_FILE, commit)
        except EntryNotFoundError:  # also when offline, where only the cache knows
            fetch(f"onnx/{ONNX_FILE}", commit)
        for name in (CALIBRATION_FILE, SKILL_HEAD_FILE):
            with suppress(EntryNotFoundError):
                fetch(name, commit)
    except (RepositoryNotFoundError, HFValidationError):
        raise ModelError(
            f"'{repository}': neither a folder here nor a public model on the hub: correct it, or "
            "log in with  hf auth login  if it is private"
        ) from None
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"'{repository}': no such folder, and the hub cannot be reached: connect to the "
            "network, or pass a folder that holds the model"
        ) from error
    except EntryNotFoundError as error:
        raise ModelError(
            f"'{repository}' is no model of uwe, as it lacks a file: {error}: download it and make "
            "a model from it with  uwe export"
        ) from error
    except Exception as error:  # the hub's client lets those of its HTTP library through
        # A full disk or a missing permission has a number; a connection that broke has another.
        local = isinstance(error, OSError) and error.errno is not None
        if local and not isinstance(error, ConnectionError | TimeoutError):
            raise
        raise ModelError(f"'{repository}': the download failed: {error}: try again") from error
    return folder
