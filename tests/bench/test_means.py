"""Which figures go into one mean, and what that mean is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.sample_results import plain_record, plain_results
from uwe.bench.means import Mean, means
from uwe.bench.results import Entry, Interval, Regime, Results
from uwe.bench.tasks import PAPER_TASKS, TASKS

SETS = tuple(task.name for task in TASKS if task.paper == "skillextract")
WHOLE = ("job2skill", "skill2job", "jobnorm", *SETS, "skillnorm", "skillsim")


def _results(
    figures: dict[str, float],
    *,
    split: str = "test",
    regimes: dict[str, str] | None = None,
    limit: int | None = None,
    records: dict[str, dict[str, object]] | None = None,
    labels: tuple[tuple[str, str], ...] = (("mini", "pooled"),),
) -> Results:
    """Each task with its MAP, and twice that as RP@10; regimes are clean but those given."""
    by_name = {task.name: task for task in TASKS}
    tasks = {}
    for name in figures:
        paper = {"paper": by_name[name].paper, "substitute": by_name[name].substitute}
        changes = (records or {}).get(name, {})
        tasks[f"{name}/{split}"] = plain_record(f"{name}/{split}", 10, **{**paper, **changes})
    entries = tuple(
        Entry(
            model=model, scorer=scorer, task=f"{name}/{split}",
            regime=Regime((regimes or {}).get(name, "clean"), "as the test says", 10, 0),
            metrics={
                metric: Interval(factor * value, 0.0, 1.0)
                for metric, factor in (("MAP", 1), ("RP@10", 2))
            },
            ranks=(), frequencies=(), truncated=0, seconds={},
        )
        for model, scorer in labels for name, value in figures.items()
    )  # fmt: skip
    return plain_results(tasks, entries, limit=limit)


def test_the_six_tasks_clean_and_whole_are_the_macro() -> None:
    (mean,) = means(_results(dict.fromkeys(reversed(WHOLE), 0.25)))
    assert mean == Mean("mini pooled", "test", "clean", PAPER_TASKS, mean.metrics)
    assert mean.title == "macro"
    assert mean.metrics == {"MAP": pytest.approx(0.25), "RP@10": pytest.approx(0.5)}


def test_sets_of_skillextract_count_as_one_task() -> None:
    figures = {"job2skill": 0.1, **dict(zip(SETS, (0.2, 0.3, 0.4, 0.5), strict=True))}
    (mean,) = means(_results(figures))
    assert mean.metrics["MAP"] == pytest.approx((0.1 + 0.35) / 2)
    assert mean.title == "mean of 2 of 6 (job2skill, skillextract)"


def test_a_mean_of_some_tasks_names_them() -> None:
    (mean,) = means(_results({"skillnorm": 0.3, "job2skill": 0.1, "skill2job": 0.2}))
    assert mean.title == "mean of 3 of 6 (job2skill, skill2job, skillnorm)"
    assert mean.metrics["MAP"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"without": "skillextract_techwolf"}, "skillextract: 3 of 4 sets"),
        ({"without": "skillsim", "with": "skillsim_esco"}, "skillsim_esco for skillsim"),
        ({"aliases": "skillnorm"}, "skillnorm with aliases"),
    ],
)
def test_six_tasks_of_which_one_is_not_the_papers_are_no_macro(
    changes: dict[str, str], title: str
) -> None:
    names = [name for name in WHOLE if name != changes.get("without")]
    names += [changes["with"]] if "with" in changes else []
    records = {changes["aliases"]: {"aliases": 5}} if "aliases" in changes else {}
    (mean,) = means(_results(dict.fromkeys(names, 0.5), records=records))
    assert mean.title.startswith("mean of 6 of 6 (job2skill, ")
    assert title in mean.names


def test_a_substitute_steps_back_where_the_task_is_there() -> None:
    (mean,) = means(_results({"skillnorm": 0.2, "skillsim_esco": 0.9, "skillsim": 0.4}))
    assert mean.title == "mean of 2 of 6 (skillnorm, skillsim)"
    assert mean.metrics["MAP"] == pytest.approx(0.3)


@pytest.mark.parametrize("regime", ["undeclared", "held-out", "seen"])
def test_six_tasks_that_are_not_clean_are_no_macro(regime: str) -> None:
    (mean,) = means(_results(dict.fromkeys(WHOLE, 0.5), regimes=dict.fromkeys(WHOLE, regime)))
    assert mean.regime == regime
    assert mean.title.startswith("mean of 6 of 6 (job2skill,")


def test_regimes_never_share_a_mean() -> None:
    regimes = {"job2skill": "seen", "skill2job": "seen", "skillextract_skillskape": "held-out"}
    found = means(_results({name: 0.1 for name in WHOLE if "wolf" not in name}, regimes=regimes))
    assert [(mean.regime, mean.title) for mean in found] == [
        ("seen", "mean of 2 of 6 (job2skill, skill2job)"),
        ("clean",
         "mean of 4 of 6 (jobnorm, skillextract: 2 of 4 sets, skillnorm, skillsim)"),
    ]  # fmt: skip


def test_splits_never_share_a_mean() -> None:
    test = _results({"job2skill": 0.1, "skill2job": 0.3})
    val = _results({"jobnorm": 0.5, "skillnorm": 0.7}, split="val")
    found = means(test.joined(val))
    assert [(mean.split, round(mean.metrics["MAP"], 9)) for mean in found] == [
        ("test", 0.2), ("val", 0.6),
    ]  # fmt: skip


def test_models_and_scorers_never_share_a_mean() -> None:
    labels = (("mini", "pooled"), ("mini", "max"), ("bm25", ""))
    found = means(_results({"job2skill": 0.1, "skill2job": 0.3}, labels=labels))
    assert [mean.label for mean in found] == ["mini pooled", "mini max", "bm25"]


def test_a_limit_is_named_and_never_shared() -> None:
    limited = _results(
        {"job2skill": 0.1, "jobnorm": 0.3}, limit=50,
        records={"job2skill": {"queries": 50, "available": 90}, "jobnorm": {"queries": 10}},
    )  # fmt: skip
    (mean,) = means(limited)
    assert mean.title == "mean of 2 of 6 (job2skill, jobnorm, at most 50 queries each)"
    full = {"queries": 90, "available": 90}
    others = _results(
        {"skillnorm": 0.5, "skill2job": 0.7}, records={"skillnorm": full, "skill2job": full}
    )
    found = means(limited.joined(others))
    assert [(mean.limit, mean.names) for mean in found] == [
        (None, ("skill2job", "jobnorm", "skillnorm")), (50, ("job2skill", "jobnorm")),
    ]  # fmt: skip
    two = replace(others, tasks={**others.tasks, "skillnorm/test": replace(
        others.tasks["skillnorm/test"], queries=70)})  # fmt: skip
    assert means(two) == []
    # A limit that no split reaches takes nothing away.
    whole = means(replace(_results(dict.fromkeys(WHOLE, 0.1)), limit=50))
    assert whole[0].title == "macro"


def test_a_limit_of_other_results_takes_nothing_out_of_a_mean() -> None:
    whole = _results({"job2skill": 0.1, "skill2job": 0.2, "jobnorm": 0.3})
    other = _results({"skillnorm": 0.4}, limit=5, labels=(("other", "pooled"),))
    for joined in (whole.joined(other), other.joined(whole)):
        (mean,) = means(joined)
        assert len(mean.names) == 3
        assert mean.limit is None


def test_extras_tasks_of_users_and_single_figures_have_no_mean() -> None:
    assert means(_results({"onet_alttitle": 0.1, "heldout_job2skill": 0.2, "MELO": 0.3})) == []
    assert means(_results({"onet_alttitle": 0.1, "job2skill": 0.2})) == []
    assert means(_results({})) == []


def test_only_metrics_that_all_tasks_have_are_averaged() -> None:
    results = _results({"job2skill": 0.1, "skill2job": 0.3})
    first = replace(results.entries[0], metrics={"MAP": Interval(0.1, 0, 1)})
    (mean,) = means(replace(results, entries=(first, *results.entries[1:])))
    assert list(mean.metrics) == ["MAP"]
