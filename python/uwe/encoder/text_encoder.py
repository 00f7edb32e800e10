"""Texts to token vectors with onnxruntime and tokenizers alone: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe.calibration import CALIBRATION_FILE, Calibration, CalibrationFile
from uwe.checks import path_of, positive, text_of, texts_of
from uwe.encoder.config import ModelConfig
from uwe.encoder.session import OnnxSession, PinnedFile
from uwe.encoder.tokens import TokenVectors
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError, ModelError
from uwe.progress import Progress, check_progress, reporting

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer


CONFIG_FILE, TOKENIZER_FILE, ONNX_FILE = "uwe.json", "tokenizer.json", "model.onnx"
SKILL_HEAD_FILE = "skill_head.npz"
"""What `uwe.extract` reads beside the model, which works without it."""

# Part of every fingerprint: raised when the same files would give other vectors.
_ENCODING_VERSION = 1
# Bounds what batches of long texts take that run side by side: attention needs heads * tokens *
# length floats.
_BATCH_TOKENS = 4096
_BATCH = 64
# Characters for each token that a model reads, of which a long text is likely to have more.
_CHARACTERS = 32


@dataclass(frozen=True)
class Token:
    """A piece of a text that has one token vector.

    Attributes:
        piece: As the tokenizer's vocabulary spells it.
        start: Where it begins in the text, in characters.
        end: Where it ends, exclusive; equal to `start` for a special token.
        word: Which word of the text it belongs to, counted from 0; None for a special token.
        special: Whether the tokenizer added it, as it adds `[CLS]`.
    """

    piece: str
    start: int
    end: int
    word: int | None
    special: bool


class TextEncoder:
    """A model that turns texts into token vectors; safe to share between threads.

    The tokenizer and the ONNX file are read at first use. It may be pickled, and used in a child
    after a fork: both make a session of their own. It is an error if the files have changed by
    then.

    Args:
        folder: A runtime folder: `uwe.json`, `tokenizer.json`, and `model.onnx` or
            `onnx/model.onnx`.
        source: What to call it in a cache's manifest so that `uwe.load` finds it again; None
            takes the absolute path of `folder`.
        threads: Threads of one `encode`; None takes what `uwe.set_threads` says.

    Raises:
        ModelError: If a file is missing or `uwe.json` is malformed.
        InputError: If `threads` is no integer from 1 to 1024, or `folder` no path.
    """

    def __init__(
        self, folder: str | Path, *, source: str | None = None, threads: int | None = None
    ) -> None:
        self._open(folder, source, threads, (None, None, None))

    def _open(
        self,
        folder: str | Path,
        source: str | None,
        threads: int | None,
        digests: Sequence[bytes | None],
    ) -> None:
        self._folder = path_of("folder", folder).absolute()
        self._source = str(self._folder) if source is None else source
        path = self._folder / CONFIG_FILE
        onnx, tokenizer = _files(self._folder)
        self._files = [
            PinnedFile(path, digest)
            for path, digest in zip((path, onnx, tokenizer), digests, strict=True)
        ]
        self._config_file, self._onnx, self._tokenizer_file = self._files
        try:
            text = self._config_file.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: expected UTF-8, got {error}: export it again") from None
        self._config = ModelConfig.from_json(text, path=path)
        self._session = OnnxSession(
            self._onnx,
            dim=self._config.dim,
            threads=threads,
            quick=self._config.weights == "int8-rows",
        )
        self._threads = threads
        self._tokenizer: Tokenizer | None = None
        self._fingerprint: str | None = None
        self._calibration_file = CalibrationFile.at(self._folder / CALIBRATION_FILE)
        self._calibrations: dict[str, Calibration] | None = None

    @property
    def config(self) -> ModelConfig:
        """The content of its `uwe.json`."""
        return self._config

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._folder

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """Its calibrations by the kind of query, which make `Match.confidence`; often none.

        Raises:
            DataError: If its `calibration.json` is not a calibration.
        """
        if self._calibrations is None:
            self._calibrations = self._calibration_file.calibrations()
        return self._calibrations

    @property
    def dim(self) -> int:
        """Width of a token vector."""
        return self._config.dim

    @property
    def source(self) -> str:
        """What `uwe.load` takes to load this model again."""
        return self._source

    @property
    def threads(self) -> int:
        """Threads of one `encode`."""
        return self._session.threads

    @property
    def fingerprint(self) -> str:
        """sha256 over the ONNX file, the tokenizer and the encoding settings; 64 hex digits.

        Equal fingerprints mean equal token vectors; the scorer is not part of it. Computed from
        the files at first use (tens of milliseconds), then kept in memory.
        """
        if self._fingerprint is None:
            settings = {
                "encoding": _ENCODING_VERSION,
                "special_tokens": self._config.special_tokens,
                "max_tokens": self._config.max_tokens,
            }
            total = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
            for file in (self._onnx, self._tokenizer_file):
                total.update(file.digest)
            self._fingerprint = total.hexdigest()
        return self._fingerprint

    def encode(
        self,
        texts: Iterable[str],
        *,
        batch_size: int = _BATCH,
        progress: Progress = False,
    ) -> TokenVectors:
        """Token vectors of each text, in the order of the texts.

        A text's vectors do not depend on the other texts (within 1e-5): only texts with equally
        many tokens share a batch, and nothing is padded. To encode more texts than fit into
        memory, call it for one slice after the other; slices of about a thousand texts lose no
        speed.

        Args:
            texts: Any non-blank texts; at least one.
            batch_size: Most texts of a batch; each thread runs one at a time. Of long texts there
                are fewer in a batch, so that memory stays bounded.
            progress: True for a bar on standard error (if that is a terminal), or a callable that
                takes the number of texts done and of all texts.

        Returns:
            (tokens, dim), float32, raw, with offsets for `len(texts)` texts. Special tokens are
            in it as the model's `special_tokens` says; where it says `drop`, a text of which the
            tokenizer reads nothing else keeps them, so that no text is without a vector.

        Raises:
            InputError: If `texts` is a str or empty, or holds something else than text, a blank
                text, a lone surrogate, or a text of which the tokenizer makes no token at all (the
                message names its index).
            ModelError: If the tokenizer or the ONNX file is broken, or another than the one that
                was read first.

        Warns:
            TruncationWarning: Once a call, if texts are longer than `config.max_tokens` tokens:
                only what fits is read.
        """
        return self._encode(texts, batch_size, progress, None)

    def encode_with_places(
        self, texts: Iterable[str], *, progress: Progress = False
    ) -> tuple[TokenVectors, NDArray[np.int64]]:
        """`encode`, and where each token stands in its text; errors are as in `encode`.

        Returns:
            The token vectors; and (tokens, 2), int64: where each token begins and ends in its text,
            in characters, both the same for a special token.
        """
        places: list[NDArray[np.int64]] = []
        vectors = self._encode(texts, _BATCH, progress, places)
        return vectors, np.concatenate(places)

    def _encode(
        self,
        texts: Iterable[str],
        batch_size: int,
        progress: Progress,
        places: list[NDArray[np.int64]] | None,
    ) -> TokenVectors:
        batch_size = positive("batch_size", batch_size)
        check_progress(progress)
        checked = texts_of("texts", texts)
        ids: list[NDArray[np.int64]] = []
        kept: list[NDArray[np.bool_] | None] = []
        counts: list[int] = []
        cut: list[int] = []
        truncations = Truncations()
        with gathered(truncations) as gathering:
            for i, text in enumerate(checked):
                encoding = self._tokenized(text, gathering.texts + i)
                ids.append(np.array(encoding.ids, dtype=np.int64))
                mask = self._kept(encoding)
                kept.append(mask)
                if places is not None:
                    place = np.array(encoding.offsets, dtype=np.int64)
                    places.append(place if mask is None else place[mask])
                counts.append(len(ids[-1]) if mask is None else int(mask.sum()))
                if encoding.overflowing:
                    cut.append(i)
            name, max_tokens = self._config.name, self._config.max_tokens
            gathering.add(checked, cut, name=name, max_tokens=max_tokens)
        truncations.warn()
        offsets = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        values = np.empty((offsets[-1], self.dim), dtype=np.float32)
        done = 0
        most = max(1, _BATCH_TOKENS // self.threads)
        batches = list(_batches(np.array([len(row) for row in ids]), batch_size, most))
        stacked = [np.stack([ids[i] for i in batch]) for batch in batches]
        with (
            reporting(progress, len(checked), "Encoding") as report,
            closing(self._session.run_all(stacked)) as found,
        ):
            for batch, vectors in zip(batches, found, strict=True):
                for i, rows in zip(batch, vectors, strict=True):
                    mask = kept[i]
                    values[offsets[i] : offsets[i + 1]] = rows if mask is None else rows[mask]
                done += len(batch)
                report(done)
        return TokenVectors(values, offsets)

    def tokenize(self, text: str) -> list[Token]:
        """The pieces that `encode([text])` has vectors of, one per row, in the same order.

        Raises:
            InputError: If it is no text, blank, has a lone surrogate, or the tokenizer makes no
                token of it.
            ModelError: If the tokenizer is broken, or fails on the text.
        """
        (checked,) = texts_of("texts", [text])
        encoding = self._tokenized(checked, 0)
        kept = self._kept(encoding)
        columns = zip(
            encoding.tokens,
            encoding.offsets,
            encoding.word_ids,
            encoding.special_tokens_mask,
            [True] * len(encoding.ids) if kept is None else kept,
            strict=True,
        )
        return [
            Token(piece, start, end, word, bool(special))
            for piece, (start, end), word, special, keep in columns
            if keep
        ]

    def has_word(self, word: str) -> bool:
        """Whether the vocabulary has a word in small letters as one piece: it is a common one.

        Raises:
            InputError: If it is no text.
            ModelError: If the tokenizer is broken.
        """
        word = text_of("a word", word)
        return self._load_tokenizer().token_to_id(word.lower()) is not None

    def _tokenized(self, text: str, number: int) -> Encoding:
        # encode_batch would start threads that do not survive a fork.
        tokenizer = self._load_tokenizer()
        problem = (
            f"{self._tokenizer_file.path}: the tokenizer fails on text {number} ({text[:40]!r})"
        )
        with tokenizer_errors(problem):
            encoding = _encoding(tokenizer, text, self._config.max_tokens)
        if not encoding.ids:
            raise InputError(
                f"text {number} ({text[:40]!r}): the tokenizer of '{self._config.name}' makes no "
                "token of it: leave it out"
            )
        return encoding

    def _kept(self, encoding: Encoding) -> NDArray[np.bool_] | None:
        """Which tokens' vectors are kept; None for all of them."""
        if self._config.special_tokens == "keep":
            return None
        special = np.array(encoding.special_tokens_mask, dtype=np.bool_)
        return None if special.all() else ~special

    def _load_tokenizer(self) -> Tokenizer:
        # Two threads may both read it; the last one wins and both are equal, so no lock that a
        # fork could leave taken.
        if self._tokenizer is None:
            self._tokenizer = _read_tokenizer(self._tokenizer_file, self._config.max_tokens)
        return self._tokenizer

    def __getstate__(self) -> dict[str, Any]:
        return {
            "folder": self._folder,
            "source": self._source,
            "threads": self._threads,
            "digests": [file.pinned for file in self._files],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._open(**state)

    def __repr__(self) -> str:
        return (
            f"TextEncoder({self._source!r}, dim={self.dim}, max_tokens={self._config.max_tokens})"
        )


@contextmanager
def tokenizer_errors(problem: str) -> Iterator[None]:
    """Make a ModelError of whatever the tokenizers library raises, its panics too.

    It raises plain Exceptions; what it does not expect, such as a regular expression that gives
    up, is a panic, which Python sees as a BaseException that no `except Exception` catches. The
    message begins with `problem`.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise ModelError(
            f"{problem}: {error}: leave out what it is given, or export the model again"
        ) from error


def _files(folder: Path) -> tuple[Path, Path]:
    """Paths of the ONNX file and the tokenizer; ModelError if the folder lacks a file."""
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: expected a model folder, found none: correct the path, or pass the id of "
            "a model on the hub, OWNER/NAME, from where no folder OWNER is"
        )
    if not (folder / CONFIG_FILE).is_file():
        raise ModelError(
            f"{folder}: has no {CONFIG_FILE}, so it is no model folder of uwe: make one from a "
            "transformers folder with  uwe export"
        )
    if not (folder / TOKENIZER_FILE).is_file():
        raise ModelError(f"{folder}: has no {TOKENIZER_FILE}: export the model again")
    for onnx in (folder / ONNX_FILE, folder / "onnx" / ONNX_FILE):
        if onnx.is_file():
            return onnx, folder / TOKENIZER_FILE
    raise ModelError(f"{folder}: has neither {ONNX_FILE} nor onnx/{ONNX_FILE}: run  uwe export")


def _read_tokenizer(file: PinnedFile, max_tokens: int) -> Tokenizer:
    from tokenizers import Tokenizer

    path, content = file.path, file.read()
    with tokenizer_errors(f"{path}: tokenizers cannot read it"):
        tokenizer = Tokenizer.from_str(content.decode("utf-8"))
        added = tokenizer.num_special_tokens_to_add(False)
    if max_tokens <= added:
        raise ModelError(
            f"{path}: adds {added} special tokens to a text, but uwe.json lets max_tokens be "
            f"{max_tokens}, which leaves no room for the text: raise max_tokens"
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _encoding(tokenizer: Tokenizer, text: str, max_tokens: int) -> Encoding:
    """What the tokenizer makes of a text, of which a part is enough if that is too long as well.

    A part ends at a blank: what a cut may change is its last word, which is beyond what is read.
    """
    size = _CHARACTERS * max_tokens
    while size < len(text):
        end = max(text.rfind(blank, 0, size) for blank in " \n\t\xa0")
        encoding = tokenizer.encode(text[: max(end, 0)].rstrip())
        if encoding.overflowing:
            return encoding
        size *= 4
    return tokenizer.encode(text)


def _batches(
    lengths: NDArray[np.int64], batch_size: int, tokens: int
) -> Iterator[NDArray[np.int64]]:
    """Indices of texts of one length each, shortest first; at most `tokens` in several texts."""
    if len(lengths) == 1:
        yield np.zeros(1, dtype=np.int64)
        return
    order = np.argsort(lengths, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        size = min(batch_size, max(1, tokens // int(lengths[group[0]])))
        for start in range(0, len(group), size):
            yield group[start : start + size]
