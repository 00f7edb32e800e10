"""One step: its gradients are those of plain autograd, with and without a gradient cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from msgspec import structs

from tiny_transformers import save_transformer
from uwe import Scorer
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import config_of, save_encoder
from uwe.model.similarity import late_interaction_scores
from uwe.training.batches import GraphBatch
from uwe.training.loss import many_to_many
from uwe.training.recipe import GraphRecipe, Recipe, TeacherRecipe
from uwe.training.step import accumulate_gradients
from uwe.training.teacher import Teacher

LEFT = ["data engineer", "nurse", "a cook who cooks for many", "clerk"]
RIGHT = ["big data", "care", "cooking", "Data Engineer", "filing of letters"]
EDGES = [(0, 0), (0, 3), (1, 1), (2, 2), (3, 4), (3, 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_transformer("bert", tmp_path_factory.mktemp("step") / "bert", lower_case=True)


def encoder_of(folder: Path, *, dtype: torch.dtype = torch.float64) -> TorchEncoder:
    encoder = TorchEncoder.from_folder(
        folder, scorer=Scorer.parse("soft:0.5"), max_tokens=20, dropout=0.0
    )
    return encoder.to(dtype).train()


def batch(graph: GraphRecipe) -> GraphBatch:
    positives = np.zeros((len(LEFT), len(RIGHT)), np.bool_)
    positives[tuple(zip(*EDGES, strict=True))] = True
    return GraphBatch(graph, LEFT, RIGHT, positives, np.zeros_like(positives))


def settings(
    scorers: Sequence[str] = ("soft_query:0.5",), queries: str = "left", *, cached: bool = False
) -> tuple[GraphBatch, Recipe]:
    document = {
        "format": 2,
        "name": "x",
        "graphs": "x",
        "model": {"base": "x", "train_scorers": dict.fromkeys(scorers, 1.0)},
        "graph": [{"name": "J", "loss_temperature": 0.2, "queries": queries}],
        "batches": {"gradient_cache": cached, "chunk_tokens": 30, "tile_pairs": 500},
        "optimizer": {"steps": 1},
    }
    recipe = Recipe.from_dict(document)
    return batch(recipe.graph[0]), recipe


def gradients(encoder: TorchEncoder) -> dict[str, torch.Tensor]:
    return {n: p.grad for n, p in encoder.named_parameters() if p.grad is not None}


def assert_equal(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], *, bound: float = 1e-6
) -> None:
    assert found.keys() == wanted.keys()
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        assert float((found[name] - gradient).abs().max()) <= bound * largest, name


def plain(
    folder: Path, scorers: Sequence[str] = ("soft_query:0.5",), queries: str = "left"
) -> tuple[float, dict[str, torch.Tensor]]:
    """A step by autograd alone: padded texts, the readable scorer, one backward pass."""
    encoder, (drawn, _) = encoder_of(folder), settings()
    sides = []
    for texts in (drawn.left, drawn.right):
        vectors, lengths = encoder(encoder.token_ids(texts))
        padded = torch.nn.utils.rnn.pad_sequence(list(vectors.split(lengths)), batch_first=True)
        sides.append((padded, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]))
    (asked, asked_mask), (other, other_mask) = sides if queries == "left" else sides[::-1]
    total = torch.zeros((), dtype=torch.float64)
    for name in scorers:
        scores = late_interaction_scores(
            asked, other, Scorer.parse(name), queries_mask=asked_mask, targets_mask=other_mask
        )
        total = total + many_to_many(
            scores if queries == "left" else scores.T, torch.from_numpy(drawn.positives),
            loss_temperature=0.2,
        ) / len(scorers)  # fmt: skip
    torch.autograd.backward(total)
    return float(total.detach()), gradients(encoder)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("scorers", "queries"),
    [(["soft_query:0.5"], "left"), (["soft:0.5:4", "pooled"], "left"), (["soft:0.5:4"], "right")],
)
def test_gradients_are_those_of_plain_autograd(
    folder: Path, cached: bool, scorers: list[str], queries: str
) -> None:
    wanted_loss, wanted = plain(folder, scorers, queries)
    encoder = encoder_of(folder)
    loss = accumulate_gradients(encoder, *settings(scorers, queries, cached=cached))
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    assert_equal(gradients(encoder), wanted)


def test_in_float32_the_gradients_are_those_of_float64(folder: Path) -> None:
    _, wanted = plain(folder)
    encoder = encoder_of(folder, dtype=torch.float32)
    accumulate_gradients(encoder, *settings(cached=True))
    assert_equal(gradients(encoder), wanted, bound=1e-5)


@pytest.mark.parametrize("queries", ["left", "right"])
def test_a_teacher_draws_the_scores_to_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queries: str
) -> None:
    encoder = encoder_of(folder, dtype=torch.float32)
    encoder.scorer = Scorer.parse("soft_query:0.5")  # whose sides differ
    config = config_of(
        encoder, name="teacher", language="en", licence="", base_model="x", trained_on=()
    )
    save_encoder(encoder, tmp_path, config)
    drawn, recipe = settings(["soft_query:0.5"], queries)

    def loss_of(weight: float, graph: str = "J", *, shift: float = 0.0) -> float:
        lesson = TeacherRecipe(
            models=(str(tmp_path),) * 2, weight=weight, temperature=0.2, graphs=("J",)
        )
        taught = structs.replace(recipe, teacher=lesson)
        pupil = encoder_of(folder, dtype=torch.float32)
        with torch.no_grad():
            pupil.transformer.embeddings.word_embeddings.weight *= 1.0 + shift
        batch = replace(drawn, graph=structs.replace(drawn.graph, name=graph))
        return accumulate_gradients(pupil, batch, taught, Teacher(taught, "cpu"))

    alone = accumulate_gradients(encoder, drawn, recipe)
    # Where the scores agree there is nothing to learn.
    assert loss_of(1.0) == pytest.approx(0.0, abs=1e-4)
    assert loss_of(0.25) == pytest.approx(0.75 * alone, rel=1e-3)
    assert loss_of(1.0, "V") == pytest.approx(alone, rel=1e-5)
    far = loss_of(1.0, shift=9.0)
    assert far > 1e-3
    monkeypatch.setattr("uwe.training.teacher._MOST_TOKENS", 0)  # nothing is kept
    assert loss_of(1.0, shift=9.0) == pytest.approx(far, rel=1e-4)


def test_a_text_on_both_sides_is_encoded_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_of(folder)
    seen: list[str] = []
    token_ids = encoder.token_ids

    def watched(texts: Sequence[str]) -> list[list[int]]:
        seen.extend(texts)
        return token_ids(texts)

    monkeypatch.setattr(encoder, "token_ids", watched)
    accumulate_gradients(encoder, *settings())
    # "Data Engineer" is "data engineer" but for case.
    assert sorted(seen) == sorted({*LEFT, *RIGHT} - {"Data Engineer"})
