"""The card of a model: what was measured of it, of other seeds, and what it was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.sample_results import MODELS, sample_results
from cli_shell import Shell
from tiny_model import write_model
from uwe import InputError, Scorer, load
from uwe.bench.card import model_card
from uwe.bench.results import Results
from uwe.encoder.config import ModelConfig, TrainingSource

CONFIG = ModelConfig(
    name="uwe-mini", scorer=Scorer("soft", temperature=0.5), special_tokens="keep", max_tokens=64,
    dim=384, weights="int8", language="en", licence="Apache-2.0", base_model="some/base",
    trained_on=(TrainingSource("train/J.edges.tsv.gz", "ab" * 32),),
)  # fmt: skip
FINGERPRINT = MODELS["uwe-mini"].fingerprint


def of_seed(number: int) -> Results:
    found = sample_results(models=("uwe-mini",), seed=number)
    record = replace(MODELS["uwe-mini"], fingerprint=f"{number:02x}" * 32)
    queries = sample_results(models=("uwe-mini",)).tasks  # the same for all
    return replace(found, models={"uwe-mini": record}, tasks=queries)


def test_each_figure_has_its_regime_interval_and_spread() -> None:
    own = sample_results(models=("uwe-mini",))
    text = model_card(CONFIG, FINGERPRINT, [own, of_seed(1), of_seed(2)], shown=["MAP", "RP@10"])
    entry = next(e for e in own.entries if e.task == "jobnorm/val" and e.scorer == "soft:0.5")
    (row,) = (r for r in text.splitlines() if r.startswith("| jobnorm/val") and "| soft:0.5 |" in r)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    interval = entry.metrics["MAP"]
    assert cells[3] == "clean"
    assert cells[4] == (
        f"{100 * interval.mean:.1f} ({100 * interval.low:.1f}–{100 * interval.high:.1f})"
    )
    assert "±" in cells[-1]
    assert cells[-1].endswith("(2)")
    assert "- job2skill/test: **seen**, 12,480 of its pairs are in esco.edges.tsv" in text
    assert f"| train/J.edges.tsv.gz | `{'ab' * 32}` |" in text
    assert "license: apache-2.0" in text
    assert "other languages are ranked badly" in text


def test_without_other_seeds_there_is_no_spread() -> None:
    # BM25 is in these results too: a model of another kind is no other seed.
    text = model_card(CONFIG, FINGERPRINT, [sample_results()], shown=["MAP"])
    assert "other seeds" not in text


def test_another_seed_counts_once_and_on_the_same_queries() -> None:
    own, other = sample_results(models=("uwe-mini",)), of_seed(1)
    twice = model_card(CONFIG, FINGERPRINT, [own, other, other], shown=["MAP"])
    assert "(1) |" in twice
    assert "±" not in twice
    tasks = {
        key: replace(task, query_words=tuple(words + 1 for words in task.query_words))
        for key, task in other.tasks.items()
    }
    sampled = replace(other, tasks=tasks)  # as many queries, but others
    assert "other seeds" not in model_card(CONFIG, FINGERPRINT, [own, sampled], shown=["MAP"])


def test_figures_with_aliases_stand_beside_those_without() -> None:
    own = sample_results(models=("uwe-mini",))
    tasks = {key: replace(task, aliases=1234) for key, task in own.tasks.items()}
    text = model_card(CONFIG, FINGERPRINT, [own, replace(own, tasks=tasks)], shown=["MAP"])
    rows = [r for r in text.splitlines() if r.startswith("| jobnorm/val") and "| soft:0.5 |" in r]
    assert ["1,234 aliases" in row for row in rows] == [False, True]


def test_results_of_another_model_make_no_card() -> None:
    with pytest.raises(InputError, match="uwe-mini"):
        model_card(CONFIG, "00" * 32, [], shown=["MAP"])
    with pytest.raises(InputError, match="RP@77"):
        model_card(CONFIG, FINGERPRINT, [sample_results()], shown=["RP@77"])


def test_the_command_writes_it_beside_the_model(shell: Shell, tmp_path: Path) -> None:
    write_model(tmp_path / "mine")
    record = replace(MODELS["uwe-mini"], fingerprint=load(tmp_path / "mine").fingerprint)
    results = replace(sample_results(models=("uwe-mini",)), models={"uwe-mini": record})
    (tmp_path / "result.json").write_text(results.to_json(), encoding="utf-8")
    nowhere = shell.error("bench", "card", str(tmp_path / "no"), str(tmp_path / "result.json"))
    assert "expected a model folder, found none" in nowhere
    shell("bench", "card", str(tmp_path / "mine"), str(tmp_path / "result.json"))
    assert (tmp_path / "mine" / "README.md").read_text(encoding="utf-8").startswith("---\n")


@pytest.mark.parametrize("graph", ["J", "W", "U", "my"])
def test_the_sources_of_graphs_are_named(graph: str) -> None:
    source = TrainingSource(f"train/{graph}.edges.tsv.gz", "ab" * 32)
    config = replace(CONFIG, trained_on=(source,))
    text = model_card(config, FINGERPRINT, [sample_results()], shown=["MAP"])
    assert ("ESCO classification of the European Commission" in text) == (graph != "my")
    assert ("uwe written texts and uwe lexicon: CC BY 4.0" in text) == (graph == "W")
    assert ("SkillSpan" in text) == (graph == "U")
    assert ("my: data of others" in text) == (graph == "my")


def test_what_is_read_is_never_written_over(shell: Shell, tmp_path: Path) -> None:
    write_model(tmp_path / "mine")
    result = tmp_path / "result.json"
    sample_results(models=("uwe-mini",)).save(result)
    for out in (result, tmp_path / "mine" / "model.onnx"):
        before = out.read_bytes()
        said = shell.error("bench", "card", str(tmp_path / "mine"), str(result), "-o", str(out))
        assert "another file" in said
        assert out.read_bytes() == before
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"category": "a", "query": "baker", "wanted": "bake bread"}\n')
    assert "another file" in shell.error("bench", "run", "--task", str(cases), "-o", str(cases))
    assert cases.read_text().startswith("{")
    targets = tmp_path / "task" / "targets.jsonl.gz"
    targets.parent.mkdir()
    targets.touch()
    said = shell.error("bench", "run", "--task", str(targets.parent), "-o", str(targets))
    assert "another file" in said
