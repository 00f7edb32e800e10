"""The torch-free encoder: what it returns, refuses and warns of; threads, forks and pickles."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tiny_model import TABLE, WORDS, table_encoder, word_tokenizer, write_model
from uwe.config import Scorer
from uwe.errors import InputError, ModelError
from uwe.loading import load
from uwe.session import available_threads
from uwe.text import TextEncoder, Token, TruncationWarning, checked_texts

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
    vectors = tiny.encode(["data engineers", "\u200b"])
    np.testing.assert_array_equal(vectors[0], rows("data", "engineer", "##s"))
    # The tokenizer reads nothing of a zero-width space, and no text goes without a vector.
    np.testing.assert_array_equal(vectors[1], rows("[CLS]", "[SEP]"))
    assert [token.piece for token in tiny.tokenize("data engineers")] == [
        "data",
        "engineer",
        "##s",
    ]
    assert [token.piece for token in tiny.tokenize("\u200b")] == ["[CLS]", "[SEP]"]


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
    tiny.encode(["data"] * 5 + ["data baker"] * 2, batch_size=2, progress=seen.append)
    assert seen == [2, 4, 5, 7]


def test_long_texts_run_fewer_at_once(shipped: TextEncoder) -> None:
    seen: list[int] = []
    shipped.encode(["data " * 250] * 20, batch_size=64, progress=seen.append)
    assert seen == [16, 20]


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


def test_a_text_that_just_fits_is_not_warned_of(tiny: TextEncoder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(tiny.encode(["data " * 6])[0]) == 8


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("data engineer", r"got one str: pass \[text\]"),
        (b"data", "got one bytes"),
        (3, "expected a list of texts, got int"),
        ([], "at least one text"),
        (["a", ""], "text 1 is empty"),
        (["a", "b", " \t\n\u00a0"], "text 2 is blank"),
        (["a", None], "text 1: expected a str, got NoneType"),
        (["a", b"b"], "text 1: expected a str, got bytes"),
        (["a", "ab\ud800"], r"text 1: character 2 is the lone surrogate U\+D800"),
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
    with pytest.raises(InputError, match="batch_size to be an integer >= 1"):
        tiny.encode(["data"], batch_size=batch_size)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_bad_threads_are_refused(tmp_path: Path, threads: Any) -> None:
    folder = write_model(tmp_path)
    with pytest.raises(InputError, match="threads to be an integer >= 1"):
        TextEncoder(folder, threads=threads)


def test_threads_are_all_by_default(tiny: TextEncoder) -> None:
    assert tiny.threads == available_threads() >= 1


def test_texts_may_come_from_any_iterable(tiny: TextEncoder) -> None:
    assert len(tiny.encode(text for text in ("data", "baker"))) == 2
    assert checked_texts(("data", "baker")) == ["data", "baker"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_unicode_text_has_vectors(shipped: TextEncoder, texts: list[str]) -> None:
    try:
        vectors = shipped.encode(texts)
    except InputError:
        assert any(not t.strip() or any("\ud800" <= c <= "\udfff" for c in t) for t in texts)
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
        ("uwe.json", "has no uwe.json.*uwe export"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("model.onnx", "has neither model.onnx nor onnx/model.onnx"),
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
        ("model.onnx", b"", "onnxruntime can not read it"),
        ("model.onnx", b"no onnx at all", "onnxruntime can not read it"),
        ("tokenizer.json", b"", "tokenizers can not read it"),
        ("tokenizer.json", b'{"version": "1.0"}', "tokenizers can not read it"),
        ("tokenizer.json", b"\xff\xfe", "tokenizers can not read it"),
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


def test_a_truncated_onnx_file_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    whole = (folder / "model.onnx").read_bytes()
    for size in range(0, len(whole), 7):
        (folder / "model.onnx").write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"model\.onnx"):
            TextEncoder(folder).encode(["data"])


@pytest.mark.parametrize("inputs", [("ids",), ("input_ids", "pixel_values"), ("attention_mask",)])
def test_an_onnx_file_of_something_else_is_refused(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    folder = write_model(tmp_path)
    onnx.save(table_encoder(inputs), folder / "model.onnx")
    with pytest.raises(ModelError, match=f"expected inputs out of .* got {', '.join(inputs)}"):
        TextEncoder(folder).encode(["data"])


@pytest.mark.parametrize(
    "inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")]
)
def test_the_usual_inputs_are_given_as_asked(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    folder = write_model(tmp_path)
    onnx.save(table_encoder(inputs), folder / "model.onnx")
    np.testing.assert_array_equal(
        TextEncoder(folder).encode(["data"])[0], rows("[CLS]", "data", "[SEP]")
    )


def test_a_width_that_is_not_the_configured_one_is_refused(tmp_path: Path) -> None:
    model = TextEncoder(write_model(tmp_path, dim=4))
    with pytest.raises(ModelError, match=r"expected vectors of shape \(1, 3, 4\), got \(1, 3, 3\)"):
        model.encode(["data"])


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["rust"])  # an id that the embedding does not have
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match="not of one model"):
        TextEncoder(folder).encode(["rust"])


def test_no_room_for_a_text_is_refused(tmp_path: Path) -> None:
    model = TextEncoder(write_model(tmp_path, max_tokens=2))
    with pytest.raises(ModelError, match=r"adds 2 special tokens .* raise max_tokens"):
        model.encode(["data"])


def test_padding_and_truncation_of_the_tokenizer_file_are_ignored(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = word_tokenizer()
    tokenizer.enable_padding(length=32)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert TextEncoder(folder).encode(["data baker data", "data"]).offsets.tolist() == [0, 5, 8]


def test_threads_share_one_model(shipped: TextEncoder) -> None:
    fresh = pickle.loads(pickle.dumps(shipped))
    wanted = shipped.encode(TITLES).values
    equal: list[bool] = []

    def work() -> None:
        vectors = [fresh.encode(TITLES).values for _ in range(5)]
        equal.extend(np.allclose(v, wanted, atol=1e-5) for v in vectors)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert equal == [True] * 40


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


FORKING = """
import os, sys, threading
import numpy as np
from uwe.loading import load

texts = ["data engineer, big data pipelines"] * 8
model = load(threads=2)
wanted = model.encode(texts).values
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        equal = np.allclose(model.encode(texts).values, wanted, atol=1e-5)
        grandchild = os.fork()
        if grandchild == 0:
            again = np.allclose(model.encode(texts).values, wanted, atol=1e-5)
            sys.exit(0 if again else 3)  # an exit with all finalisers, not os._exit
        _, status = os.waitpid(grandchild, 0)
        sys.exit(os.waitstatus_to_exitcode(status) if equal else 2)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert np.allclose(model.encode(texts).values, wanted, atol=1e-5)
print(codes, "ORT_DISABLE_TELEMETRY" in os.environ, "TOKENIZERS_PARALLELISM" in os.environ)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_children_of_a_fork_encode_and_exit() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120
    )
    assert ran.stderr == ""
    assert ran.stdout == "[0, 0] False False\n"


def test_the_user_decides_on_telemetry_first() -> None:
    code = (
        "import os; os.environ['ORT_DISABLE_TELEMETRY'] = 'true'\n"
        "from uwe.loading import load; load().encode(['a'])\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "true\n"


def test_a_model_loads_neither_torch_nor_onnxruntime_before_its_use() -> None:
    code = (
        "import sys; from uwe.loading import load; m = load(); m.config; m.fingerprint\n"
        "heavy = {'torch', 'onnxruntime', 'tokenizers', 'huggingface_hub', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "m.encode(['a']); print('torch' in sys.modules, 'onnx' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "[]\nFalse False\n"
