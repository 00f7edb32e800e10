"""An onnxruntime session that is made at first use, shared by threads, and made again after a fork.

Servers load a model, then fork their workers. A session's thread pool does not exist in the child:
to run the inherited session there, or to destroy it, waits for ever for threads that are gone. So
a child makes its own session, and the inherited one is never destroyed.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import os
import re
import threading
import weakref
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.errors import ModelError
from uwe.parallelism import checked_threads, threads

if TYPE_CHECKING:
    import onnxruntime


# Numbers in a layer's output (tokens times width) up to which products of bytes are done before
# other threads are awake: 42 tokens of MiniLM.
_ALONE = 1 << 14

# Fusions that take longer than what they replace: the norm of a sum goes number by number.
_SLOWER = ["SkipLayerNormFusion"]

# What Protocol Buffers write before the key of the entry of a tensor that names another file: tag
# and length, in the shortest form or a longer one; not where the tag and the length before them
# begin an entry of the model's metadata.
_KEY = b"location"
_BEFORE_KEY = re.compile(
    rb"(?<!r[\x00-\x7f])(?<!r[\x80-\xff][\x00-\x7f])(?:\n|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)\Z"
)
_LONGEST_BEFORE = 24  # bytes: numbers take ten at most

_lock = threading.Lock()
_alive: weakref.WeakSet[onnxruntime.InferenceSession] = weakref.WeakSet()


class PinnedFile:
    """A file of a model whose content is decided by its first reading.

    A model's files are read at first use, and again for a second session or in a child after a
    fork. By then somebody may have put another model in their place: its vectors would be compared
    with those of the first one. `digest` is the sha256 of the content that the file must have;
    None takes what is read first.
    """

    def __init__(self, path: Path, digest: bytes | None = None) -> None:
        self.path = path
        self._pin: dict[str, bytes] = {} if digest is None else {"sha256": digest}

    @property
    def pinned(self) -> bytes | None:
        """sha256 of its content; None as long as nobody has read it."""
        return self._pin.get("sha256")

    @property
    def digest(self) -> bytes:
        """sha256 of its content, which is read for it if nobody has."""
        if self.pinned is None:
            self.read()
        return self._pin["sha256"]

    def read(self) -> bytes:
        """Its content, the same at each call; ModelError if the file is gone or another by now."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise ModelError(
                f"{self.path}: is gone since the model was loaded: load the model again"
            ) from None
        found = hashlib.sha256(content).digest()
        # In one step: of two threads that read first, one decides for both.
        if self._pin.setdefault("sha256", found) != found:
            raise ModelError(
                f"{self.path}: was replaced since the model was loaded: load the model again"
            )
        return content


class OnnxSession:
    """Runs an encoder: token ids in, token vectors out.

    Args:
        file: The ONNX file, with all its weights inside. Its inputs are any of `input_ids`,
            `attention_mask` and `token_type_ids`, each (batch, length), int64; its first output is
            (batch, length, dim), float32.
        dim: Width that the output must have.
        threads: Threads of one call; None takes what `uwe.set_threads` says.
            `run` computes one batch with all of them, `run_all` a batch on each.
        quick: Whether the file multiplies bytes (`int8-rows`), so that one thread does best with
            a batch of few tokens.
    """

    def __init__(
        self, file: Path | PinnedFile, *, dim: int, threads: int | None = None, quick: bool = False
    ) -> None:
        self._file = file if isinstance(file, PinnedFile) else PinnedFile(file)
        self.path = self._file.path
        self.dim = dim
        self._threads = None if threads is None else checked_threads("threads", threads)
        self._alone = _ALONE if quick else 0
        self._made: dict[int, tuple[int, onnxruntime.InferenceSession]] = {}
        self._idle: dict[tuple[int, int], ThreadPoolExecutor] = {}
        """The threads that no call uses, by process and number: those of a parent are not there
        after a fork."""

    @property
    def threads(self) -> int:
        """Threads of one call."""
        return threads() if self._threads is None else self._threads

    def run(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Token vectors of texts of equal length, so without any padding.

        The token ids are (batch, length), int64; the vectors are (batch, length, dim), float32.
        """
        alone = ids.size * self.dim <= self._alone
        return self._run(self._session(1 if alone else self.threads), ids)

    def run_all(self, batches: Sequence[NDArray[np.int64]]) -> Generator[NDArray[np.float32]]:
        """What `run` gives for each batch, in their order; several are computed side by side.

        A batch of short texts is too small to be shared: one on each thread takes a quarter less
        time than one after the other on all, and gives the same vectors. Closed early, it begins
        no more of them.
        """
        workers = self.threads
        if workers == 1 or len(batches) == 1:
            yield from map(self.run, batches)
            return
        session = self._session(1)
        # Kept for the next call, since to start threads takes a tenth of the time of a few titles;
        # used by one call at a time, since a few titles should not wait for many texts.
        key = os.getpid(), workers
        pool = self._idle.pop(key, None) or ThreadPoolExecutor(workers)
        try:
            yield from pool.map(lambda ids: self._run(session, ids), batches)
        except BaseException:  # also where whoever asked wants no more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        if key in self._idle:
            pool.shutdown(wait=False)
        else:
            self._idle = {key: pool}

    def _run(
        self, session: onnxruntime.InferenceSession, ids: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        wanted = {node.name: inputs[node.name] for node in session.get_inputs()}
        try:
            vectors = session.run([session.get_outputs()[0].name], wanted)[0]
        except Exception as error:  # onnxruntime's classes share no base of their own
            raise ModelError(
                f"{self.path}: failed on token ids of shape {ids.shape}: {error}: if "
                "tokenizer.json and the ONNX file are not of one model, export it again"
            ) from error
        wanted_shape = (*ids.shape, self.dim)
        found = vectors.shape if isinstance(vectors, np.ndarray) else type(vectors).__name__
        if found != wanted_shape or vectors.dtype.kind not in "fiu":
            raise ModelError(
                f"{self.path}: expected vectors of shape {wanted_shape}, got "
                f"{found}: uwe.json and the ONNX file are not of one model; export it again"
            )
        return np.asarray(vectors, dtype=np.float32)

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        """The session of that many threads which this process has made, or a new one."""
        process, found = self._made.get(threads, (0, None))
        if found is not None and process == os.getpid():
            return found
        with _lock:
            process, found = self._made.get(threads, (0, None))
            if found is None or process != os.getpid():
                found = open_session(self._file.read(), threads, self.path)
                self._made[threads] = os.getpid(), found
            return found


def _import_onnxruntime() -> None:
    """Import it without its telemetry, unless the user has decided on that variable.

    Since 1.29 onnxruntime reports to its maker from a thread of its own, and a forked child then
    waits for that thread when it exits. The variable is read on import and is not left behind.
    """
    variable = "ORT_DISABLE_TELEMETRY"
    if variable in os.environ:
        return
    os.environ[variable] = "1"
    try:
        importlib.import_module("onnxruntime")
    finally:
        del os.environ[variable]


def _names_files(content: bytes) -> bool:
    """Whether a tensor is in another file, wherever it stands in the content of an ONNX file.

    The package `onnx`, which could tell, is not needed to rank. To search for all by one regular
    expression takes thirty times as long.
    """
    at = content.find(_KEY)
    while at >= 0:
        if _BEFORE_KEY.search(content[max(0, at - _LONGEST_BEFORE) : at]):
            return True
        at = content.find(_KEY, at + 1)
    return False


def open_session(content: bytes, threads: int, path: Path) -> onnxruntime.InferenceSession:
    """A session on the content of an ONNX file, which messages call `path`.

    Weights in other files are refused, since nothing identifies those files.
    """
    if _names_files(content):
        raise ModelError(
            f"{path}: expected all weights inside, but some are in another file (external data): "
            "export the model with  uwe export, or join them with  "
            "onnx.save(onnx.load(path), path)"
        )
    _import_onnxruntime()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning pool takes the processors from whoever works next, such as the ranking.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A second fence: where onnxruntime, of late, looks for other files.
    folder = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(folder, os.devnull)
    # What matters is raised as an exception; warnings about folded constants help nobody.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            content,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_SLOWER,
        )
    except Exception as error:
        raise ModelError(
            f"{path}: onnxruntime cannot read it: {error}: export the model again with  uwe export"
        ) from error
    names = [node.name for node in session.get_inputs()]
    strange = sorted(set(names) - {"input_ids", "attention_mask", "token_type_ids"})
    if strange or "input_ids" not in names:
        raise ModelError(
            f"{path}: expected inputs out of input_ids, attention_mask, token_type_ids, got "
            f"{', '.join(names) or 'none'}: export the model with  uwe export"
        )
    _alive.add(session)
    return session


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    for session in list(_alive):
        # A reference more than Python knows of keeps the destructor from ever running, also at
        # the end of the interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _alive.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
