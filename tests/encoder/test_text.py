"""The torch-free encoder: what it returns, refuses and warns of; threads, forks and pickles."""

from __future__ import annotations

import multiprocessing
import pickle
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer, processors

from tiny_model import TABLE, WORDS, word_tokenizer, write_model
from uwe.checks import is_blank
from uwe.encoder.loading import load
from uwe.encoder.text_encoder import TextEncoder, Token
from uwe.encoder.truncation import TruncationWarning
from uwe.errors import InputError, ModelError
from uwe.scorer import Scorer

TITLES = [
    "data engineer",
    "pastry baker with night shifts",
    "lawyer",
    "software developer (C++, Rust), embedded systems and firmware",
    "nurse",
    "teacher",
    "data engineer, big data pipelines",
    "Leiter Öffentlichkeitsarbeit 🚀",
]


@pytest.fixture(scope="module")
def shipped() -> TextEncoder:
    return load(threads=2)


@pytest.fixture
def tiny(tmp_path: Path) -> TextEncoder:
    return TextEncoder(write_model(tmp_path / "tiny"))


def rows(*words: str) -> NDArray[np.float32]:
    return TABLE[[WORDS.index(word) for word in words]]


def test_vectors_are_those_of_the_tokens_in_the_order_of_the_texts(tiny: TextEncoder) -> None:
    vectors = tiny.encode(["data engineers", "baker", "Sparks, DATA", "rust"])
    wanted = [
        rows("[CLS]", "data", "engineer", "##s", "[SEP]"),
        rows("[CLS]", "baker", "[SEP]"),
        rows("[CLS]", "spark", "##s", ",", "data", "[SEP]"),
        rows("[CLS]", "[UNK]", "[SEP]"),
    ]
    assert vectors.offsets.tolist() == [0, 5, 8, 14, 17]
    for got, want in zip(vectors, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_special_tokens_are_dropped_where_the_model_says_so(tmp_path: Path) -> None:
    tiny = TextEncoder(write_model(tmp_path, special_tokens="drop"))
    vectors = tiny.encode(["data engineers", "\ufffd"])
    np.testing.assert_array_equal(vectors[0], rows("data", "engineer", "##s"))
    # The tokenizer reads nothing of a replacement character, and no text goes without a vector.
    np.testing.assert_array_equal(vectors[1], rows("[CLS]", "[SEP]"))
    assert [token.piece for token in tiny.tokenize("data engineers")] == [
        "data",
        "engineer",
        "##s",
    ]
    assert [token.piece for token in tiny.tokenize("\ufffd")] == ["[CLS]", "[SEP]"]


def test_tokenize_aligns_with_encode_and_with_the_text(tiny: TextEncoder) -> None:
    text = "Ünï Sparks, data"
    tokens = tiny.tokenize(text)
    assert tokens[0] == Token("[CLS]", 0, 0, None, True)
    assert [(t.piece, text[t.start : t.end], t.word) for t in tokens[1:-1]] == [
        ("[UNK]", "Ünï", 0),
        ("spark", "Spark", 1),
        ("##s", "s", 1),
        (",", ",", 2),
        ("data", "data", 3),
    ]
    assert tokens[-1].special
    assert len(tokens) == len(tiny.encode([text])[0])


def test_shipped_vectors_do_not_depend_on_the_batch(shipped: TextEncoder) -> None:
    texts = TITLES * 9
    alone = [shipped.encode([text])[0] for text in TITLES]
    for batch_size in (1, 3, 64):
        for i, vectors in enumerate(shipped.encode(texts, batch_size=batch_size)):
            np.testing.assert_allclose(vectors, alone[i % len(TITLES)], atol=1e-5)


def test_shipped_model_knows_near_from_far(shipped: TextEncoder) -> None:
    means = [v.mean(axis=0) for v in shipped.encode(["data engineer", "big data", "pastry"])]
    means = [m / np.linalg.norm(m) for m in means]
    assert means[0] @ means[1] > means[0] @ means[2] + 0.2


def test_progress_counts_finished_texts(tiny: TextEncoder) -> None:
    seen: list[int] = []
    tiny.encode(
        ["data"] * 5 + ["data baker"] * 2, batch_size=2, progress=lambda done, _: seen.append(done)
    )
    assert seen == [2, 4, 5, 7]


@pytest.mark.parametrize(("threads", "wanted"), [(1, [16, 20]), (2, [8, 16, 20])])
def test_long_texts_run_fewer_at_once(threads: int, wanted: list[int]) -> None:
    seen: list[tuple[int, int]] = []
    load(threads=threads).encode(
        ["data " * 250] * 20, batch_size=64, progress=lambda *done: seen.append(done)
    )
    assert seen == [(done, 20) for done in wanted]


def test_a_text_that_is_too_long_is_cut_with_one_warning(tiny: TextEncoder) -> None:
    long = "data baker " * 20
    with pytest.warns(TruncationWarning) as caught:
        vectors = tiny.encode(["data", long, "baker", long + "!"])
    (warning,) = caught
    message = str(warning.message)
    assert message.startswith("text 1 ('data baker data baker data baker data...') and 1 more: ")
    assert "the 8 tokens that 'tiny' reads" in message
    assert "uwe.split_sentences" in message
    assert warning.filename == __file__
    np.testing.assert_array_equal(vectors[1], rows("[CLS]", *["data", "baker"] * 3, "[SEP]"))
    assert len(tiny.tokenize(long)) == 8


def test_warnings_do_not_pile_up_in_memory(tiny: TextEncoder) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # what remembers each text in the module's registry
        for i in range(20):
            tiny.encode([f"data baker {i} " * 10])
    assert len(caught) == 20
    kept = [key for key in globals().get("__warningregistry__", {}) if key != "version"]
    assert not [key for key in kept if key[1] is TruncationWarning]


def test_a_text_that_just_fits_is_not_warned_of(tiny: TextEncoder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(tiny.encode(["data " * 6])[0]) == 8


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("data engineer", "list"),
        (b"data", "list"),
        (3, "list"),
        ([], "at least one"),
        (["a", ""], "empty"),
        (["a", "b", " \t\n\u00a0"], "blank"),
        (["a", "b", "\u200b\u00ad \x01\u0301\ufe0f"], "blank"),
        (["a", None], "text 1"),
        (["a", b"b"], "text 1"),
        (["a", "ab\ud800"], "surrogate"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(tiny: TextEncoder, texts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny.encode(texts)
    if isinstance(texts, list) and len(texts) == 2:
        with pytest.raises(InputError, match=message.replace("text 1", "text 0")):
            tiny.tokenize(texts[1])


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, None])
def test_a_bad_batch_size_is_refused(tiny: TextEncoder, batch_size: Any) -> None:
    with pytest.raises(InputError, match="batch_size"):
        tiny.encode(["data"], batch_size=batch_size)


def test_a_batch_size_may_be_numpys(tiny: TextEncoder) -> None:
    assert len(tiny.encode(["data"], batch_size=np.int64(2))) == 1  # type: ignore[arg-type]


def test_progress_is_a_switch_or_callable(tiny: TextEncoder) -> None:
    assert len(tiny.encode(["data"], progress=True)) == 1
    with pytest.raises(InputError, match="progress"):
        tiny.encode(["data"], progress=7)  # type: ignore[arg-type]


def test_a_text_of_which_nothing_is_read_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = word_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.save(str(folder / "tokenizer.json"))
    model = TextEncoder(folder)
    assert len(model.encode(["data", "baker"])) == 2
    with pytest.raises(InputError, match="text 1"):
        model.encode(["data", "\ufffd"])
    with pytest.raises(InputError, match="no token"):
        model.tokenize("\ufffd")


def test_of_a_long_text_the_first_tokens_are_read(tiny: TextEncoder) -> None:
    whole = Tokenizer.from_file(str(tiny.folder / "tokenizer.json"))
    whole.enable_truncation(8)
    random = Random(0)
    parts = ["data", "engineers", "x" * 90, "x" * 200, "\u4e2d", "\u200b", ","]
    parts += [" ", "\n", "\r\n\t", " " * 150]
    for _ in range(300):
        text = "".join(random.choices(parts, k=random.randint(1, 60))) + "."
        wanted = whole.encode(text)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            tiny.encode([text])
        found = tiny.tokenize(text)
        assert [token.piece for token in found] == wanted.tokens
        assert [(token.start, token.end) for token in found] == wanted.offsets
        assert bool(caught) == bool(wanted.overflowing)


def test_a_text_of_megabytes_takes_no_time(shipped: TextEncoder) -> None:
    started = time.process_time()
    pieces = shipped.tokenize("data scientist " * 200_000)
    assert len(pieces) == shipped.config.max_tokens
    assert time.process_time() - started < 1


def test_texts_may_come_from_any_iterable(tiny: TextEncoder) -> None:
    assert len(tiny.encode(text for text in ("data", "baker"))) == 2
    assert len(tiny.encode(("data", "baker"))) == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_unicode_text_has_vectors(shipped: TextEncoder, texts: list[str]) -> None:
    try:
        vectors = shipped.encode(texts)
    except InputError:
        assert any(is_blank(t) or any("\ud800" <= c <= "\udfff" for c in t) for t in texts)
        return
    assert np.isfinite(vectors.values).all()
    for text, own in zip(texts, vectors, strict=True):
        tokens = shipped.tokenize(text)
        assert len(tokens) == len(own)
        assert all(0 <= t.start <= t.end <= len(text) for t in tokens)


def test_fingerprint_is_of_files_and_settings_but_not_of_the_scorer(tmp_path: Path) -> None:
    def fingerprint(folder: str, **changes: Any) -> str:
        return TextEncoder(write_model(tmp_path / folder, **changes)).fingerprint

    plain = fingerprint("plain")
    assert len(plain) == 64
    assert set(plain) <= set("0123456789abcdef")
    assert fingerprint("copy") == plain
    assert fingerprint("scorer", scorer=Scorer("soft", temperature=1)) == plain
    assert fingerprint("named", name="other", language="nl") == plain
    assert fingerprint("moved", onnx_folder="onnx") == plain
    assert fingerprint("shorter", max_tokens=7) != plain
    assert fingerprint("dropped", special_tokens="drop") != plain
    for file in ("model.onnx", "tokenizer.json"):
        folder = write_model(tmp_path / f"changed-{file}")
        (folder / file).write_bytes((folder / file).read_bytes() + b" ")
        assert TextEncoder(folder).fingerprint != plain


def test_fingerprint_is_kept_in_memory_and_never_on_disk(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    files = sorted(path.name for path in folder.iterdir())
    model = TextEncoder(folder)
    first = model.fingerprint
    (folder / "model.onnx").unlink()
    assert model.fingerprint == first
    assert sorted(path.name for path in folder.iterdir()) == sorted(set(files) - {"model.onnx"})


def test_properties_and_repr(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    model = TextEncoder(folder)
    assert (model.dim, model.config.name, model.source) == (3, "tiny", str(folder))
    assert repr(model) == f"TextEncoder('{folder}', dim=3, max_tokens=8)"
    assert TextEncoder(folder, source="o/n").source == "o/n"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("uwe.json", "uwe.json"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("model.onnx", "model.onnx"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str, message: str) -> None:
    folder = write_model(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=message):
        TextEncoder(folder)


def test_a_config_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "uwe.json").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(ModelError, match="expected UTF-8"):
        TextEncoder(folder)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.onnx", b"", "onnxruntime"),
        ("model.onnx", b"no onnx at all", "onnxruntime"),
        ("tokenizer.json", b"", "tokenizers"),
        ("tokenizer.json", b'{"version": "1.0"}', "tokenizers"),
        ("tokenizer.json", b"\xff\xfe", "tokenizers"),
    ],
)
def test_a_broken_file_is_named_at_first_use(
    tmp_path: Path, file: str, content: bytes, message: str
) -> None:
    folder = write_model(tmp_path)
    (folder / file).write_bytes(content)
    model = TextEncoder(folder)
    with pytest.raises(ModelError, match=message) as caught:
        model.encode(["data"])
    assert str(folder / file) in str(caught.value)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["rust"])  # an id that the embedding does not have
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match="model"):
        TextEncoder(folder).encode(["rust"])


def test_no_room_for_a_text_is_refused(tmp_path: Path) -> None:
    model = TextEncoder(write_model(tmp_path, max_tokens=2))
    with pytest.raises(ModelError, match="max_tokens"):
        model.encode(["data"])


def test_padding_and_truncation_of_the_tokenizer_file_are_ignored(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = word_tokenizer()
    tokenizer.enable_padding(length=32)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert TextEncoder(folder).encode(["data baker data", "data"]).offsets.tolist() == [0, 5, 8]


def test_a_pickle_is_the_same_model(tmp_path: Path) -> None:
    model = TextEncoder(write_model(tmp_path), source="o/n", threads=1)
    model.encode(["data"])
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.source, copy.threads, copy.fingerprint) == ("o/n", 1, model.fingerprint)
    np.testing.assert_array_equal(copy.encode(["data"]).values, model.encode(["data"]).values)


def test_a_spawned_process_can_use_a_model(tiny: TextEncoder) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.apply_async(tiny.encode, (["data"],)).get(timeout=60)
    np.testing.assert_array_equal(result.values, tiny.encode(["data"]).values)
