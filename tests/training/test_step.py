"""One step: its gradients are those of plain autograd, with a gradient cache and on two ranks."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch
from accelerate import Accelerator

from tiny_transformers import save_transformer
from uwe import Scorer
from uwe.model.encoder import TorchEncoder
from uwe.model.similarity import late_interaction_scores
from uwe.training.loss import LossSettings, many_to_many
from uwe.training.step import GraphBatch, Objective, StepSettings, accumulate_gradients

LEFT = ["data engineer", "nurse", "a cook who cooks for many", "clerk"]
RIGHT = ["big data", "care", "cooking", "Data Engineer", "filing of letters"]
EDGES = [(0, 0), (0, 3), (1, 1), (2, 2), (3, 4), (3, 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_transformer("bert", tmp_path_factory.mktemp("step") / "bert", lower_case=True)


def encoder_of(
    folder: Path,
    *,
    dim: int | None = None,
    dropout: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> TorchEncoder:
    torch.manual_seed(3)
    encoder = TorchEncoder.from_folder(
        folder, scorer=Scorer.parse("soft:0.5"), max_tokens=20, dim=dim, learned_temperature=True,
        dropout=dropout,
    )  # fmt: skip
    return encoder.to(dtype).train()


def batch(name: str = "J", left: Sequence[str] = LEFT, right: Sequence[str] = RIGHT) -> GraphBatch:
    positives = torch.zeros(len(left), len(right), dtype=torch.bool)
    for u, v in EDGES:
        positives[u, v] = True
    return GraphBatch(name, left, right, positives, torch.zeros_like(positives))


def objectives() -> dict[str, Objective]:
    return {
        name: Objective(alpha, torch.tensor(-2.0, requires_grad=True), LossSettings(), queries)
        for name, alpha, queries in (("J", 1.0, "left"), ("V", 0.5, "anchor"))
    }


def settings(**more: object) -> StepSettings:
    usual = {
        "scorers": [(Scorer.parse("soft_query:0.5"), 1.0)], "gradient_cache": False,
        "chunk_tokens": 30, "tile_pairs": 500,
    }  # fmt: skip
    return StepSettings(**{**usual, **more})


def gradients(encoder: TorchEncoder, aims: dict[str, Objective]) -> dict[str, torch.Tensor]:
    found = {n: p.grad for n, p in encoder.named_parameters()}
    found |= {n: o.log_loss_temperature.grad for n, o in aims.items()}
    assert all(found[name] is not None for name in aims)
    return {n: gradient for n, gradient in found.items() if gradient is not None}


def assert_equal(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], *, bound: float = 1e-9
) -> None:
    assert found.keys() == wanted.keys()
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        assert float((found[name] - gradient).abs().max()) <= bound * largest, name


def plain(
    folder: Path, dim: int | None, name: str = "soft_query:0.5"
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """A step by autograd alone: padded texts, the readable scorer, one backward pass."""
    encoder, aims = encoder_of(folder, dim=dim), objectives()
    losses, total = {}, torch.zeros((), dtype=torch.float64)
    for drawn in (batch(), batch("V", LEFT[::-1])):
        sides = []
        for texts in (drawn.left, drawn.right):
            vectors, lengths = encoder(encoder.token_ids(texts))
            parts = vectors.split(lengths)
            padded = torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
            sides.append((padded, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]))
        (left, left_mask), (right, right_mask) = sides
        aim = aims[drawn.name]
        scorer, temperature = Scorer.parse(name), encoder.temperature
        forward = late_interaction_scores(
            left, right, scorer, queries_mask=left_mask, targets_mask=right_mask,
            temperature=temperature,
        )  # fmt: skip
        backward = late_interaction_scores(
            right, left, scorer, queries_mask=right_mask, targets_mask=left_mask,
            temperature=temperature,
        )  # fmt: skip
        loss = many_to_many(
            forward, drawn.positives, loss_temperature=aim.log_loss_temperature.exp(),
            backward_scores=backward if aim.queries == "anchor" else None,
        )  # fmt: skip
        losses[drawn.name] = float(loss.detach())
        total = total + aim.alpha * loss
    torch.autograd.backward(total)
    return losses, gradients(encoder, aims)


@pytest.mark.parametrize("dim", [None, 16])
@pytest.mark.parametrize("cached", [False, True])
def test_gradients_are_those_of_plain_autograd(folder: Path, dim: int | None, cached: bool) -> None:
    wanted_losses, wanted = plain(folder, dim)
    encoder, aims = encoder_of(folder, dim=dim), objectives()
    losses = accumulate_gradients(
        encoder, [batch(), batch("V", LEFT[::-1])], aims, settings(gradient_cache=cached),
        accelerator=Accelerator(cpu=True),
    )  # fmt: skip
    assert losses == pytest.approx(wanted_losses, rel=1e-5)
    assert_equal(gradients(encoder, aims), wanted)


@pytest.mark.parametrize("name", ["soft:0.5", "soft:0.5:4"])
def test_scores_of_both_directions_are_each_their_own(folder: Path, name: str) -> None:
    """With a pivot `soft` weighs by the side that asks, so one is no transpose of the other."""
    wanted_losses, wanted = plain(folder, None, name)
    encoder, aims = encoder_of(folder), objectives()
    losses = accumulate_gradients(
        encoder, [batch(), batch("V", LEFT[::-1])], aims,
        settings(scorers=[(Scorer.parse(name), 1.0)]), accelerator=Accelerator(cpu=True),
    )  # fmt: skip
    assert losses == pytest.approx(wanted_losses, rel=1e-5)
    assert_equal(gradients(encoder, aims), wanted)


def test_in_float32_the_gradients_are_those_of_float64(folder: Path) -> None:
    _, wanted = plain(folder, None)
    encoder, aims = encoder_of(folder, dtype=torch.float32), objectives()
    accumulate_gradients(
        encoder, [batch(), batch("V", LEFT[::-1])], aims, settings(gradient_cache=True),
        accelerator=Accelerator(cpu=True),
    )  # fmt: skip
    assert_equal(gradients(encoder, aims), wanted, bound=1e-5)


def test_dropout_drops_the_same_when_a_chunk_is_encoded_again(folder: Path) -> None:
    found = []
    for cached in (False, True):
        encoder, aims = encoder_of(folder, dropout=0.3), objectives()
        accumulate_gradients(
            encoder, [batch()], {"J": aims["J"]}, settings(gradient_cache=cached),
            accelerator=Accelerator(cpu=True),
        )  # fmt: skip
        found.append(gradients(encoder, {"J": aims["J"]}))
    assert_equal(*found)


def test_a_text_on_both_sides_is_encoded_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, aims = encoder_of(folder), objectives()
    seen: list[str] = []
    token_ids = encoder.token_ids

    def watched(texts: Sequence[str]) -> list[list[int]]:
        seen.extend(texts)
        return token_ids(texts)

    monkeypatch.setattr(encoder, "token_ids", watched)
    accumulate_gradients(
        encoder, [batch(), batch("V")], aims, settings(), accelerator=Accelerator(cpu=True)
    )
    # "Data Engineer" is "data engineer" but for case.
    assert sorted(seen) == sorted({*LEFT, *RIGHT} - {"Data Engineer"})


def _rank(rank: int, port: int, folder: Path, out: Path) -> None:
    import os

    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    encoder, aims = encoder_of(folder), objectives()
    losses = accumulate_gradients(
        encoder, [batch(), batch("V", LEFT[::-1])], aims, settings(), accelerator=accelerator
    )
    torch.save((losses, gradients(encoder, aims)), out / f"{rank}.pt")
    accelerator.end_training()


@pytest.mark.slow
def test_the_gradients_of_two_ranks_are_those_of_one(folder: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=_rank, args=(r, port, folder, tmp_path)) for r in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        assert process.exitcode == 0
    encoder, aims = encoder_of(folder), objectives()
    losses = accumulate_gradients(
        encoder, [batch(), batch("V", LEFT[::-1])], aims, settings(),
        accelerator=Accelerator(cpu=True),
    )  # fmt: skip
    for rank in (0, 1):
        found_losses, found = torch.load(tmp_path / f"{rank}.pt")
        assert found_losses == pytest.approx(losses, rel=1e-5)
        assert_equal(found, gradients(encoder, aims))
