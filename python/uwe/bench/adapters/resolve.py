"""What `uwe.evaluate` and `--model` accept, made into a `BenchModel`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from uwe.bench.adapters.dense import (
    callable_model,
    load_sentence_transformers,
    sentence_transformers_model,
    uwe_model,
)
from uwe.bench.adapters.lexical import bm25, tfidf
from uwe.bench.adapters.workrb import on_tasks
from uwe.bench.model import BenchModel
from uwe.encoder.loading import SHIPPED_MODEL, load
from uwe.encoder.text_encoder import CONFIG_FILE, TextEncoder
from uwe.errors import InputError

_LEXICAL = {"bm25": bm25, "tfidf": tfidf}
_PREFIX = "sentence-transformers:"
_ACCEPTED = (
    f"{SHIPPED_MODEL}, a model folder of uwe, a hub id such as 'organisation/name', "
    f"{_PREFIX}FOLDER_OR_ID, {', '.join(_LEXICAL)}"
)


def bench_model(source: object) -> BenchModel:
    """Make a model that can be evaluated.

    A text is `uwe-mini`, a model folder of `uwe` or its hub id, `bm25`, `tfidf`, or
    `sentence-transformers:` and a folder or hub id. An object is a `uwe.TextEncoder`, a
    SentenceTransformer, a model of WorkRB's, a `BenchModel`, or whatever has `encode(texts)` or is
    called so and gives vectors (see `callable_model`).
    """
    if isinstance(source, str | Path):
        return _named(source)
    if isinstance(source, BenchModel):
        return source
    if isinstance(source, TextEncoder):
        return uwe_model(source)
    if callable(getattr(source, "compute_rankings", None)):
        return on_tasks(cast("Any", source))
    if _is_of_sentence_transformers(source):
        return sentence_transformers_model(source)
    if callable(getattr(source, "encode", None)) or callable(source):
        return callable_model(source)
    raise InputError(
        f"expected a model, got {type(source).__name__}: pass {_ACCEPTED}, or an object with "
        "encode(texts)"
    )


def _named(source: str | Path) -> BenchModel:
    text = str(source)
    if isinstance(source, str) and text in _LEXICAL:
        return _LEXICAL[text]()
    if isinstance(source, str) and text.startswith(_PREFIX) and text != _PREFIX:
        return load_sentence_transformers(text.removeprefix(_PREFIX))
    folder = Path(text)
    is_folder = bool(text.strip()) and folder.is_dir()
    if text != SHIPPED_MODEL and not is_folder and "/" not in text:
        raise InputError(f"expected one of the models {_ACCEPTED}, got {text!r}: correct it")
    if (folder / "modules.json").is_file() and not (folder / CONFIG_FILE).is_file():
        raise InputError(
            f"{text}: expected a model folder of uwe, got one of sentence-transformers: pass "
            f"{_PREFIX}{text}"
        )
    return uwe_model(load(source))


def _is_of_sentence_transformers(source: object) -> bool:
    """Whether it is a model of theirs that gives vectors; the library is not imported to tell."""
    library = sys.modules.get("sentence_transformers")
    classes = (getattr(library, n, None) for n in ("SentenceTransformer", "MultiVectorEncoder"))
    return any(isinstance(source, c) for c in classes if c is not None)
