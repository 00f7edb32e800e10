"""The scorers in torch are those that rank: the golden scores, and the shapes of others' losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from uwe.model.similarity import late_interaction_scores, similarity_function
from uwe.scorer import Scorer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scores.json").read_text())["cases"]


def padded(case: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Query, targets and mask of a golden case, in float64."""
    query = torch.tensor(case["query"], dtype=torch.float64).view(1, -1, case["dim"])
    rows = torch.tensor(case["targets"], dtype=torch.float64).view(-1, case["dim"])
    bounds = list(zip(case["offsets"], case["offsets"][1:], strict=False))
    longest = max(end - start for start, end in bounds)
    targets = torch.zeros(len(bounds), longest, case["dim"], dtype=torch.float64)
    mask = torch.zeros(len(bounds), longest, dtype=torch.bool)
    for number, (start, end) in enumerate(bounds):
        targets[number, : end - start] = rows[start:end]
        mask[number, : end - start] = True
    return query, targets, mask


@pytest.mark.parametrize(
    "case", GOLDEN, ids=lambda c: f"{c['scorer']}:{c['temperature']}:{c['pivot']}"
)
def test_the_twin_in_torch_gives_the_golden_scores(case: dict[str, Any]) -> None:
    query, targets, mask = padded(case)
    attends = case["scorer"].startswith("soft")
    scorer = Scorer(
        case["scorer"],
        temperature=case["temperature"] if attends else None,
        pivot=case["pivot"],
    )
    found = late_interaction_scores(query, targets, scorer, targets_mask=mask)
    wanted = torch.tensor([case["scores"]], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0.0)


def test_groups_of_documents_lie_side_by_side() -> None:
    generator = torch.Generator().manual_seed(1)
    queries = torch.randn(2, 3, 4, generator=generator)
    documents = torch.randn(2, 5, 6, 4, generator=generator)
    mask = torch.ones(2, 5, 6, dtype=torch.bool)
    mask[:, :, 4:] = False
    scorer = Scorer("soft", temperature=0.5)
    found = similarity_function(scorer)(queries, documents, documents_mask=mask)
    assert found.shape == (2, 10)
    for group in range(2):
        for document in range(5):
            alone = late_interaction_scores(queries, documents[group, document, None, :4], scorer)
            torch.testing.assert_close(found[:, 5 * group + document], alone[:, 0])


@pytest.mark.slow
def test_the_loss_of_sentence_transformers_takes_it(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.multi_vector_encoder import losses

    from tiny_transformers import save_transformer

    folder = save_transformer("bert", tmp_path / "base", lower_case=True)
    model = sentence_transformers.MultiVectorEncoder(str(folder), device="cpu").eval()
    ranking = losses.MultiVectorMultipleNegativesRankingLoss(
        model, scale=20.0, similarity_fct=similarity_function(Scorer("soft", temperature=0.5))
    )
    columns = {"query": ["data", "soup"], "document": ["data engineer", "a cook of soup"]}
    value = ranking([model.preprocess(texts, task=task) for task, texts in columns.items()])
    assert torch.isfinite(value)
    value.backward()
