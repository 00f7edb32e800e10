"""`uwe calibrate`: pairs in, a calibration beside the cache out, which `uwe rank` shows."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import uwe
from cli_shell import Shell
from tiny_model import write_model
from uwe.cache.own_calibration import calibration_path
from uwe.calibration import FEATURES, Calibration, calibrations_json
from uwe.errors import InputError
from uwe.spaces import SharedCache

WORDS = ["data", "engineer", "baker", "spark", "datas", "bakers"]
LABELS = {"data": "data engineer", "engineer": "data engineer", "baker": "baker", "spark": "R-3"}


def pairs(count: int) -> list[tuple[str, str]]:
    """Queries with the label or id that their first word is in; a third has no answer."""
    queries = itertools.islice(
        (" ".join(words) for n in (1, 2, 3) for words in itertools.product(WORDS, repeat=n)), count
    )
    none = itertools.cycle(["", "NONE", " "])
    return [(query, LABELS.get(query.split()[0]) or next(none)) for query in queries]


def write(name: str, rows: list[tuple[str, str]], delimiter: str = ",") -> str:
    with Path(name).open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([("query", "target"), *rows])
    return name


def confidences(shell: Shell, *more: str) -> list[float | None]:
    found = shell.json("rank", "spark data", "-t", "own.uwe", *more)["matches"]
    return [match["confidence"] for match in found]


@pytest.fixture
def own(shell: Shell) -> Shell:
    """A cache of one's own, whose model has a calibration of keywords."""
    write_model(Path("mine"))
    n = len(FEATURES)
    one = Calibration(
        FEATURES, np.zeros(n), np.ones(n), np.linspace(1, -1, n), 0.2, "pooled", "chance"
    )
    Path("mine/calibration.json").write_text(calibrations_json({"keyword": one}))
    Path("own.csv").write_text("id,label\nR-1,data engineer\nR-2,baker\nR-3,spark\n")
    shell("cache", "build", "own.uwe", "--input", "own.csv", "--model", "mine")
    return shell


def test_pairs_become_the_confidence_of_the_cache(own: Shell) -> None:
    before = confidences(own)
    assert None not in before
    found = own.json("calibrate", write("p.csv", pairs(120)), "-t", "own.uwe")
    after = confidences(own)
    assert after != before
    assert after == confidences(own, "--kind", "title"), "it is used for every kind"
    assert (found["queries"], found["scorer"]) == (120, "pooled")
    assert "chance" in found["fitted_on"], "few queries: the model's calibration is rescaled"
    assert 0 <= found["expected_calibration_error"] <= 1
    assert 0 <= found["answerable_auc"] <= 1
    assert 0 < found["right_first"] < 1
    bounds = list(found["min_confidence"].items())
    assert [float(risk) for risk, _ in bounds] == [0.05, 0.1, 0.2]
    text = own("calibrate", "p.csv", "-t", "own.uwe").stdout
    assert f"{found['expected_calibration_error']:.3f}" in text
    assert f"{found['right_first']:.1%}" in text
    assert confidences(own) == after, "calibrated again, it starts from the model's"


def test_python_and_every_format_give_the_same(own: Shell) -> None:
    rows = pairs(60)
    wanted = own.json("calibrate", write("p.csv", rows), "-t", "own.uwe")
    file = calibration_path(Path("own.uwe"))
    content = file.read_text()
    assert own.json("calibrate", write("p.tsv", rows, "\t"), "-t", "own.uwe") == wanted
    semicolons = write("p.txt", rows, ";")
    assert own.json("calibrate", semicolons, "--delimiter", ";", "-t", "own.uwe") == wanted
    index = {"data engineer": 0, "baker": 1, "R-3": 2}
    lines = "".join(
        json.dumps({"query": query, "target": index.get(target)}) + "\n" for query, target in rows
    )
    assert own.json("calibrate", "-", "-t", "own.uwe", text=lines) == wanted
    assert file.read_text() == content
    answers = {query: [target] if target in index else [] for query, target in rows}
    file.unlink()
    cache = uwe.TargetCache.open("own.uwe")
    found = uwe.calibrate(answers, cache)
    assert found.to_dict() == wanted
    assert file.read_text() == content
    numbers = {query: np.array([index[t]] if t in index else []) for query, t in rows}
    assert uwe.calibrate(numbers, cache).to_dict() == wanted
    again = uwe.TargetCache.open("own.uwe")
    assert uwe.rank("spark", found.targets) == uwe.rank("spark", again)


def test_many_queries_may_have_a_fit_of_their_own(own: Shell) -> None:
    write_model(Path("bare"))
    own("cache", "build", "bare.uwe", "--input", "own.csv", "--model", "bare")
    found = own.json("calibrate", write("p.csv", pairs(60)), "-t", "bare.uwe")
    assert found["fitted_on"] == "60 labelled queries", "the model has none that could be rescaled"
    # Right is what the model's calibration knows nothing of: more numbers have to be fitted.
    rows = [(q, "baker" if len(q.split()) == 3 else "data engineer") for q, _ in pairs(258)]
    rows += [(f"{query} x", target) for query, target in rows]
    fitted = own.json("calibrate", write("p.csv", rows), "-t", "own.uwe")
    assert fitted["fitted_on"] == "516 labelled queries"


def test_a_query_may_have_several_lines(own: Shell) -> None:
    several = [(query, label) for query, _ in pairs(60) for label in ("baker", "spark")]
    found = own.json("calibrate", write("p.csv", several), "-t", "own.uwe")
    cache = uwe.TargetCache.open("own.uwe")
    right = [uwe.rank(query, cache)[0].label != "data engineer" for query, _ in pairs(60)]
    assert found["right_first"] == pytest.approx(np.mean(right))
    assert found["answerable_auc"] is None


def test_a_plot_is_drawn(own: Shell) -> None:
    write("p.csv", pairs(80))
    own("calibrate", "p.csv", "-t", "own.uwe", "--plot", "p.svg")
    assert "calibration error" in Path("p.svg").read_text()
    calibration_path(Path("own.uwe")).unlink()
    for wrong in ("p.jpg", "missing/p.svg"):
        assert wrong in own.error("calibrate", "p.csv", "-t", "own.uwe", "--plot", wrong)
    assert not calibration_path(Path("own.uwe")).exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("spark,no such label", "p.csv:61: expected the label, the id or the index"),
        ("data,", "p.csv:61: expected 'data' to have a target or none, got both"),
        ("spark", "p.csv:61: expected 2 values"),
        (" ,baker", "p.csv:61: expected a text"),
    ],
)
def test_a_wrong_line_is_named(own: Shell, line: str, message: str) -> None:
    write("p.csv", pairs(59))
    with Path("p.csv").open("a") as file:
        file.write(f"{line}\n")
    assert message in own.error("calibrate", "p.csv", "-t", "own.uwe")
    assert not calibration_path(Path("own.uwe")).exists()


def test_what_cannot_be_calibrated_is_refused(own: Shell) -> None:
    few = write("p.csv", pairs(49))
    assert "50 queries" in own.error("calibrate", few, "-t", "own.uwe")
    assert "shared" in own.error("calibrate", few, "-t", "esco-skills")
    assert not Path("caches").exists(), "its cache was not built for that"
    Path("q.csv").write_text("query,label\nspark,spark\n")
    assert "columns query and target" in own.error("calibrate", "q.csv", "-t", "own.uwe")
    wrong = write("p.csv", [(query, "") for query, _ in pairs(60)])
    assert "right and wrong" in own.error("calibrate", wrong, "-t", "own.uwe")
    cache = uwe.TargetCache.open("own.uwe")
    shared = SharedCache.open("own.uwe")
    with pytest.raises(InputError, match="shared"):
        uwe.calibrate({query: [] for query, _ in pairs(60)}, shared)
    for names in ("spark", b"\0", np.array(0), [True], [1.0]):
        with pytest.raises(InputError, match="expected"):
            uwe.calibrate(dict.fromkeys((query for query, _ in pairs(60)), names), cache)
    with pytest.raises(InputError, match="mapping"):
        uwe.calibrate(["spark"], cache)
    assert not calibration_path(Path("own.uwe")).exists()


def test_a_cache_of_another_model_takes_no_calibration(own: Shell) -> None:
    own("calibrate", write("p.csv", pairs(60)), "-t", "own.uwe")
    write_model(Path("other"), max_tokens=9)
    written = calibration_path(Path("own.uwe")).read_text()
    own("cache", "build", "own.uwe", "--input", "own.csv", "--model", "other")
    assert not calibration_path(Path("own.uwe")).exists()
    calibration_path(Path("own.uwe")).write_text(written)
    assert "another model" in own.error("rank", "spark", "-t", "own.uwe")
    own("calibrate", "p.csv", "-t", "own.uwe")
    assert None not in confidences(own)


# rank


def test_rank_shows_confidence_and_cuts_by_it(own: Shell) -> None:
    cache = uwe.TargetCache.open("own.uwe")
    matches = uwe.rank("data spark", cache)
    head, *rows = own("rank", "data spark", "-t", "own.uwe", "--no-why").stdout.splitlines()
    assert head.split() == ["rank", "label", "score", "confidence"]
    assert [row.split()[-1] for row in rows] == [f"{m.confidence:.0%}" for m in matches]
    line = own("rank", "-i", "-", "-t", "own.uwe", text="data spark\n").stdout.splitlines()[0]
    assert float(line.split("\t")[4]) == pytest.approx(matches[0].confidence, abs=1e-3)
    own("rank", "data spark", "-t", "own.uwe", "-o", "r.csv")
    with Path("r.csv").open(newline="") as file:
        written = [float(row["confidence"]) for row in csv.DictReader(file)]
    assert written == pytest.approx([m.confidence for m in matches], abs=1e-6)
    bound = sorted(m.confidence or 0 for m in matches)[1]
    kept = confidences(own, "--min-confidence", str(bound))
    wanted = uwe.rank("spark data", cache, min_confidence=bound)
    assert kept == [match.confidence for match in wanted]
    assert confidences(own, "--kind", "span") == [None] * 3, "the model has none of spans"
    assert "min_confidence" in own.error("rank", "x", "-t", "roles.uwe", "--min-confidence", "0.5")
    assert "kind" in own.error("rank", "x", "-t", "own.uwe", "--kind", "job")
