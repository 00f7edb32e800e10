"""Two evaluations side by side: what is paired, what is refused, what chance explains."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.sample_results import plain_record, plain_results
from cli_shell import Shell
from uwe.bench.comparison import compare
from uwe.bench.results import Entry, Interval, Regime, Results
from uwe.errors import InputError

Ranks = tuple[tuple[int, ...], ...]


def _results(
    ranks: dict[tuple[str, str, str], Ranks], regime: str = "clean", fingerprint: str = "f"
) -> Results:
    """Ranks by model, scorer and task."""
    tasks = {task: plain_record(task, len(found)) for (_, _, task), found in ranks.items()}
    entries = tuple(
        Entry(
            model=model, scorer=scorer, task=task, regime=Regime(regime, "", 1),
            metrics={"MAP": Interval(0, 0, 1)}, ranks=found,
            frequencies=tuple((1,) * len(row) for row in found), truncated=0, seconds={},
        )
        for (model, scorer, task), found in ranks.items()
    )  # fmt: skip
    return plain_results(tasks, entries, fingerprint)


def _drawn(seed: int, worst: int, queries: int = 80) -> Ranks:
    rng = np.random.default_rng(seed)
    return tuple((int(rank),) for rank in rng.integers(1, worst + 1, size=queries))


MINI = ("mini", "pooled")
FIRST = _results({(*MINI, "a/test"): _drawn(1, 9), (*MINI, "b/val"): ((1,),)})
SECOND = _results({(*MINI, "a/test"): _drawn(2, 3), (*MINI, "c/val"): ((1,),)}, "held-out", "g")


def test_runs_are_compared_query_by_query() -> None:
    found = compare(FIRST, SECOND)
    assert (found.first, found.second, found.metric) == ("mini pooled", "mini pooled", "MAP")
    assert found.unpaired == ("b/val", "c/val")
    (each,) = found.differences
    first, second = (np.array([1 / r for (r,) in _drawn(*a)]) for a in ((1, 9), (2, 3)))
    assert (each.task, each.queries, each.regimes) == ("a/test", 80, ("clean", "held-out"))
    assert each.first == pytest.approx(first.mean())
    assert each.second == pytest.approx(second.mean())
    assert each.difference.mean == pytest.approx((second - first).mean())
    spread = 1.96 * (second - first).std() / np.sqrt(80)
    assert each.difference.low == pytest.approx(each.difference.mean - spread, rel=0.1)
    assert each.difference.high == pytest.approx(each.difference.mean + spread, rel=0.1)
    assert each.p < 0.01


def test_the_mean_counts_tasks_alike() -> None:
    tasks = {"a/test": 80, "b/val": 20}
    sides = [
        _results({(*MINI, task): _drawn(seed + n, 9, n) for task, n in tasks.items()}, "clean", f)
        for seed, f in ((1, "f"), (2, "g"))
    ]
    found = compare(*sides, mean=list(tasks))
    assert found.mean is not None
    each = [one.difference for one in found.differences]
    assert found.mean.mean == pytest.approx(sum(one.mean for one in each) / 2)
    spread = np.hypot(*(one.high - one.low for one in each)) / 2  # of independent draws
    assert found.mean.high - found.mean.low == pytest.approx(spread, rel=0.05)
    assert compare(*sides).mean is None
    (alone,) = (compare(*sides, mean=["b/val"]).mean,)
    assert alone is not None
    assert alone.low == pytest.approx(each[1].low, abs=0.02)


def test_a_mean_is_of_shared_tasks_of_one_regime() -> None:
    with pytest.raises(InputError, match="b/val"):
        compare(FIRST, SECOND, mean=["a/test", "b/val"])
    seen = replace(FIRST.entries[1], regime=Regime("seen", "", 1))
    mixed = replace(FIRST, entries=(FIRST.entries[0], seen))
    with pytest.raises(InputError, match="regime"):
        compare(mixed, replace(FIRST), mean=["a/test", "b/val"])


def test_a_task_counts_once_in_a_mean() -> None:
    with pytest.raises(InputError, match="each once"):
        compare(FIRST, replace(FIRST), mean=["a/test", "a/test"])


def test_turned_round_the_difference_has_the_other_sign() -> None:
    (there,), (back,) = (compare(*pair).differences for pair in ((FIRST, SECOND), (SECOND, FIRST)))
    assert back.difference.mean == -there.difference.mean
    assert back.p == there.p
    assert there.difference.low > 0 > back.difference.high


def test_a_run_against_itself_differs_nowhere() -> None:
    both = compare(FIRST, replace(FIRST)).differences
    assert [(d.difference, d.p) for d in both] == [(Interval(0.0, 0.0, 0.0), 1.0)] * 2


def test_any_metric_is_compared() -> None:
    (each,) = compare(FIRST, SECOND, metric="hit@1").differences
    assert each.first == pytest.approx(np.mean([r == 1 for (r,) in _drawn(1, 9)]))
    with pytest.raises(InputError, match="MAP@10"):
        compare(FIRST, SECOND, metric="MAP@10")


def test_queries_without_a_relevant_target_are_left_out() -> None:
    gaps = [_results({("m", s, "a/test"): ((), (r,), (2,))}) for s, r in (("max", 1), ("soft", 4))]
    (each,) = compare(*gaps).differences
    assert (each.queries, each.first, each.second) == (2, 0.75, 0.375)


SCORERS = _results({
    ("mini", "pooled", "a/test"): _drawn(1, 9), ("mini", "max", "a/test"): _drawn(2, 9),
    ("bm25", "", "a/test"): _drawn(3, 9),
})  # fmt: skip


def test_models_are_named_where_there_is_a_choice() -> None:
    found = compare(SCORERS, models=["mini max", "bm25"])
    assert (found.first, found.second) == ("mini max", "bm25")
    two = replace(SCORERS, entries=SCORERS.entries[:2])
    assert compare(two).second == "mini max"
    assert compare(SCORERS, SECOND, models=["bm25", "mini"]).second == "mini pooled"
    assert compare(SCORERS, replace(SCORERS), models=["bm25"]).second == "bm25"


@pytest.mark.parametrize(
    ("second", "models", "message"),
    [
        (None, (), "two models or scorers"),
        (None, ("bm25",), "two models"),
        (None, ("bm25", "bm25"), "twice"),
        (None, ("mini", "bm25"), "'mini pooled', 'mini max'"),
        (None, ("bm25", "mini soft"), "'mini pooled', 'mini max', 'bm25'"),
        (SECOND, (), "'mini pooled', 'mini max', 'bm25'"),
        (SECOND, ("bm25", "mini", "mini"), "two models"),
        (_results({("mini", "max", "z/test"): ((1,),)}), ("mini max",), "z/test"),
    ],
)
def test_what_can_not_be_told_apart_is_refused(
    second: Results | None, models: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare(SCORERS, second, models=models)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seals": {"targets": "b" * 64}}, "same data"),
        ({"aliases": 3}, "same queries"),
    ],
)
def test_other_data_are_refused(changes: dict[str, object], message: str) -> None:
    task = replace(SECOND.tasks["a/test"], **changes)
    with pytest.raises(InputError, match=message):
        compare(FIRST, replace(SECOND, tasks={**SECOND.tasks, "a/test": task}))


def test_other_samples_are_refused() -> None:
    def limited(results: Results, seed: int) -> Results:
        words = tuple(np.random.default_rng(seed).integers(1, 9, 80).tolist())
        task = replace(results.tasks["a/test"], available=500, query_words=words)
        tasks = {**results.tasks, "a/test": task}
        return replace(results, limit=80, seed=seed, tasks=tasks)

    (each,) = compare(limited(FIRST, 1), limited(SECOND, 1)).differences
    assert (each.queries, each.sampled_from) == (80, 500)
    assert compare(FIRST, SECOND).differences[0].sampled_from is None
    with pytest.raises(InputError, match="the same queries"):
        compare(limited(FIRST, 1), limited(SECOND, 2))
    with pytest.raises(InputError, match="the same queries"):
        compare(FIRST, limited(SECOND, 0))
    one, other = (
        replace(r, tasks={t: replace(task, seed=seed) for t, task in r.tasks.items()})
        for seed, r in enumerate((FIRST, SECOND))
    )
    with pytest.raises(InputError, match="the same queries"):
        compare(one, other)


def test_damaged_ranks_are_refused() -> None:
    entries = tuple(replace(entry, ranks=((1, 2), *entry.ranks[1:])) for entry in SECOND.entries)
    with pytest.raises(InputError, match="damaged"):
        compare(FIRST, replace(SECOND, entries=entries))


# the command


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    for name, results in (("first", FIRST), ("second", SECOND)):
        results.save(tmp_path / f"{name}.json")
    return str(tmp_path / "first.json"), str(tmp_path / "second.json")


def test_compare_prints_a_table(shell: Shell, files: tuple[str, str]) -> None:
    printed = shell("bench", "compare", *files, "--mean", "a/test").stdout
    row = next(line for line in printed.splitlines() if line.startswith("a/test "))
    (each,) = compare(FIRST, SECOND).differences
    assert "b/val, c/val" in printed
    found = compare(FIRST, SECOND, mean=["a/test"]).mean
    assert found is not None
    assert f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]" in printed
    assert row.split()[:4] == [
        "a/test",
        "80",
        f"{100 * each.first:.2f}",
        f"{100 * each.second:.2f}",
    ]
    assert f"{100 * each.difference.mean:+.2f} [{100 * each.difference.low:+.2f}, " in row
    assert f"{each.p:.4f}" in row
    assert row.endswith("clean and held-out")


def test_compare_prints_json(shell: Shell, files: tuple[str, str]) -> None:
    found = shell.json("bench", "compare", *files, "--metric", "MRR")
    assert found["metric"] == "MRR"
    (each,) = found["differences"]
    assert each["difference"].keys() == {"mean", "low", "high"}
    assert each["regimes"] == ["clean", "held-out"]


def test_compare_says_how_many_p_there_are(shell: Shell, tmp_path: Path) -> None:
    SCORERS.save(tmp_path / "r.json")
    out = shell("bench", "compare", str(tmp_path / "r.json"), "-m", "mini max", "-m", "bm25").stdout
    assert "corrected" not in out
    FIRST.save(tmp_path / "a.json")
    out = shell("bench", "compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")).stdout
    assert out.splitlines()[-1] == "p stands for each task alone: it is not corrected for 2"


def test_compare_refuses_what_is_no_result(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"format": "other"}))
    assert "x.json: expected a result" in shell.error("bench", "compare", str(tmp_path / "x.json"))
    assert "No such file" in shell.error("bench", "compare", str(tmp_path / "none.json"))
