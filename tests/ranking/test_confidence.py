"""Confidence: what a calibration looks at, whose calibration is taken, and what it leaves out."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import uwe
from conftest import HashEncoder
from uwe.cache.own_calibration import calibration_path, calibration_set_aside
from uwe.calibration import FEATURES, Calibration, CalibrationFile, calibrations_json
from uwe.errors import DataError, InputError
from uwe.ranking.rank import ranked_features

LABELS = [
    "data engineer", "pastry chef", "contract law", "big data", "welding", "pastry chef",
    "software engineer", "law of contract", "chef", "data", "law", "engineer of welding", "big law",
]  # fmt: skip
ALIASES: list[list[str]] = [["etl developer", "big data engineer"], [], [], ["hadoop"], *([[]] * 9)]
SOFT = "soft:0.5"
WORDS = ["big", "data", "engineer", "law", "chef", "welding", "of", "hadoop", "etl", "Pastry"]


def calibration(seed: int = 0, *, scorer: str = SOFT, bias: float = 0.3) -> Calibration:
    random = np.random.default_rng(seed)
    n = len(FEATURES)
    return Calibration(
        FEATURES, random.normal(size=n), random.uniform(0.5, 2, n), random.normal(size=n), bias,
        scorer, "numbers of chance",
    )  # fmt: skip


class Calibrated(HashEncoder):
    def __init__(self, **calibrations: Calibration) -> None:
        super().__init__()
        self.calibrations = calibrations


class One(Calibrated):
    """An encoder that reads every query alike."""

    def __init__(self, other: Calibrated) -> None:
        super().__init__(**other.calibrations)

    def encode(self, texts: Sequence[str]) -> uwe.TokenVectors:
        return super().encode(["one"] * len(texts))


@pytest.mark.parametrize(
    "wrong",
    [
        {"poem": calibration(9)},
        {"title": replace(calibration(9), bias=math.nan)},
        {"title": calibration(9).to_dict()},
        [calibration(9)],
    ],
)
def test_wrong_calibrations_are_refused_before_they_are_written(tmp_path: Path, wrong: Any) -> None:
    own = space(tmp_path / "own.uwe")
    with pytest.raises(InputError, match="calibration"):
        own.calibrated(wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["own.uwe"]


@pytest.mark.parametrize("other", [5, ["title"], {"title": "platt"}, None])
def test_what_another_model_calls_calibrations_is_no_confidence(other: object) -> None:
    model = Calibrated()
    model.calibrations = other  # type: ignore[assignment]
    cache = uwe.TargetCache.build(model, LABELS, scorer=SOFT)
    assert [match.confidence for match in uwe.rank("data", cache, k=2)] == [None, None]


def test_calibrations_of_the_same_numbers_are_equal() -> None:
    one = calibration(1)
    assert (one, hash(one)) == (calibration(1), hash(calibration(1)))
    assert one not in (calibration(2), replace(one, weights=one.weights + 1), None)
    assert {"title": one} == {"title": Calibration.from_dict(one.to_dict())}


def space(
    path: Path | None = None, *, ids: list[str] | None = None, **calibrations: Calibration
) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        Calibrated(**calibrations), LABELS, aliases=ALIASES, ids=ids, scorer=SOFT, path=path
    )


def plain_features(query: str, targets: uwe.TargetCache, labels: uwe.TargetCache) -> list[Any]:
    """The features of the best ten, by their definitions."""

    def words(text: str) -> list[str]:
        split = unicodedata.normalize("NFD", text.lower())
        return re.findall(r"[^\W_]+", "".join(c for c in split if not unicodedata.combining(c)))

    def trigrams(text: str) -> set[str]:
        padded = f" {' '.join(words(text))} "
        return {padded[i : i + 3] for i in range(len(padded) - 2)}

    ranked = uwe.rank(query, targets, k=len(LABELS), abbreviations=False)
    of_labels = uwe.scores([query], labels)[0]
    best, tenth = ranked[0].score, ranked[9].score
    near = sum(match.score > best - 0.05 for match in ranked[:10]) / 10
    rows = []
    for rank, match in enumerate(ranked[:10]):
        text = match.alias or match.label
        own, other = trigrams(query), trigrams(text)
        rows.append([
            match.score, match.score - tenth, best - tenth,
            best - ranked[1].score if rank == 0 else match.score - best,
            near, sum(m.score > match.score for m in ranked[:10]) / 10,
            of_labels[match.index], match.alias is not None,
            words(query) == words(text), len(own & other) / len(own | other),
            len(own & other) / len(other), math.log1p(len(words(query))),
            math.log1p(len(words(text))),
        ])  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def targets() -> uwe.TargetCache:
    return space(keyword=calibration(1), sentence=calibration(2), title=calibration(3))


@pytest.fixture(scope="module")
def labels() -> uwe.TargetCache:
    return uwe.TargetCache.build(HashEncoder(), LABELS, scorer=SOFT)


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=7))
@example(words=["Daten\u00f6konomie", "\U0001f40d\u4e2d"])
@example(words=["?!"])
def test_features_are_those_of_their_definitions(
    targets: uwe.TargetCache, labels: uwe.TargetCache, words: list[str]
) -> None:
    query = " ".join(words)
    (found,) = ranked_features([query], targets, abbreviations=False)
    wanted = np.array(plain_features(query, targets, labels), dtype=np.float64)
    assert found.features == pytest.approx(wanted, abs=1e-6)
    one = calibration(1 if len(words) < 6 else 2)
    odds = ((wanted - one.mean) / one.scale) @ one.weights + one.bias
    confidences = [match.confidence for match in uwe.rank(query, targets, abbreviations=False)]
    assert confidences == pytest.approx((1 / (1 + np.exp(-odds))).tolist(), abs=1e-5)


def test_confidence_does_not_depend_on_how_many_are_asked_for(targets: uwe.TargetCache) -> None:
    whole = {m.index: m.confidence for m in uwe.rank("big data law", targets, k=13)}
    for k in (1, 3, 10):
        some = uwe.rank("big data law", targets, k=k)
        assert len(some) == k
        assert [m.confidence for m in some] == pytest.approx([whole[m.index] for m in some])


def test_what_is_less_confident_is_left_out(targets: uwe.TargetCache) -> None:
    queries = ["big data", "chef of law", "welding"]
    whole = uwe.rank_many(queries, targets)
    bound = float(np.median([m.confidence for ranking in whole for m in ranking]))
    cut = uwe.rank_many(queries, targets, min_confidence=bound)
    assert [list(ranking) for ranking in cut] == [
        [m for m in ranking if m.confidence is not None and m.confidence >= bound]
        for ranking in whole
    ]
    assert list(uwe.rank("welding", targets, min_confidence=1)) == []


def test_the_kind_of_a_query_chooses_its_calibration(targets: uwe.TargetCache) -> None:
    def first(query: str, kind: str | None = None, of: uwe.TargetCache = targets) -> Any:
        return uwe.rank(query, of, kind=kind, k=1)[0].confidence

    short, long = "big-data chef's law-of-welding", "big data engineer of contract law"
    assert first(short) == first(short, "keyword") != first(short, "sentence")
    assert first(long) == first(long, "sentence") != first(long, "keyword")
    assert first(short, "span") is None
    occupations = space(
        ids=[f"occupation/{i}" for i in range(len(LABELS))],
        title=calibration(3), keyword=calibration(1), sentence=calibration(2),
    )  # fmt: skip
    assert first(long, of=occupations) == first(long, "title", of=occupations)
    with pytest.raises(InputError, match="kind"):
        first(short, "job")


def test_a_calibration_beside_the_cache_comes_first(tmp_path: Path) -> None:
    own = space(tmp_path / "own.uwe", keyword=calibration(1))
    before = uwe.rank("big data", own, k=1)[0].confidence
    file = calibration_path(own.path)
    file.write_text(calibrations_json({"default": calibration(9)}))
    again = uwe.TargetCache.open(own.path, model=Calibrated(keyword=calibration(1)))
    assert uwe.rank("big data", again, k=1)[0].confidence != before
    assert uwe.rank("big data", again, k=1, kind="title")[0].confidence is not None
    file.write_text(file.read_text()[:-40])
    broken = uwe.TargetCache.open(own.path, model=Calibrated())
    with pytest.raises(DataError, match="calibrat"):
        uwe.rank("big data", broken)
    rebuilt = space(own.path, keyword=calibration(1))
    assert list(rebuilt.calibrations) == ["keyword"]


def test_a_new_cache_never_has_the_calibration_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = space(tmp_path / "own.uwe").calibrated({"default": calibration(9)})

    class Killed(BaseException):
        pass

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.parent == tmp_path and path.exists():
            raise Killed

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(Killed):
        uwe.TargetCache.build(Calibrated(), ["other"], scorer=SOFT, path=own.path)
    monkeypatch.undo()
    other = uwe.TargetCache.open(own.path, model=Calibrated())
    assert list(other.labels) == ["other"]
    assert not other.calibrations
    assert space(own.path)
    assert [path.name for path in tmp_path.iterdir()] == ["own.uwe"]


def test_a_cache_whose_rebuild_was_killed_keeps_its_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = space(tmp_path / "own.uwe").calibrated({"default": calibration(9)})

    def found() -> dict[str, Calibration]:
        return uwe.TargetCache.open(own.path, model=Calibrated()).calibrations

    class Killed(BaseException):
        pass

    def stopped(step: Callable[[], object]) -> None:
        with calibration_set_aside(own.path):
            assert found() == own.calibrations
            step()
            raise Killed

    with pytest.raises(Killed):  # at once: nothing puts it back
        stopped(lambda: monkeypatch.setattr(Path, "replace", lambda *_: None))
    monkeypatch.undo()
    assert not calibration_path(own.path).exists()
    assert found() == own.calibrations
    own.remove([0])
    assert calibration_path(own.path).exists()
    assert found() == own.calibrations
    with pytest.raises(Killed):
        stopped(lambda: None)
    assert calibration_path(own.path).exists()
    assert found() == own.calibrations
    with pytest.raises(Killed):
        stopped(lambda: space(own.path))  # the change has happened when the interrupt comes
    assert not found()
    space(own.path)
    assert [path.name for path in tmp_path.iterdir()] == ["own.uwe"]


def test_a_cache_keeps_the_calibration_that_it_was_opened_with(tmp_path: Path) -> None:
    first = space(tmp_path / "own.uwe").calibrated({"default": calibration(9)})
    second = first.calibrated({"default": calibration(8)})
    space(first.path)
    assert first.calibrations == {"default": calibration(9)}
    assert second.calibrations == {"default": calibration(8)}


def test_a_link_leads_to_the_calibration_too(tmp_path: Path) -> None:
    own = space(tmp_path / "own.uwe").calibrated({"default": calibration(9)})
    link = tmp_path / "link.uwe"
    link.symlink_to("own.uwe", target_is_directory=True)
    assert uwe.TargetCache.open(link, model=Calibrated()).calibrations == own.calibrations
    space(link)
    assert not uwe.TargetCache.open(own.path, model=Calibrated()).calibrations


def test_a_cache_that_is_built_again_while_it_is_opened_has_its_own_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = space(tmp_path / "own.uwe").calibrated({"default": calibration(9)})
    read, states = CalibrationFile.at, [["b", "c"]]

    def at(path: Path) -> CalibrationFile:
        found = read(path)
        if states:
            other = states.pop()
            uwe.TargetCache.build(HashEncoder(), other, scorer=SOFT, path=own.path)
        return found

    monkeypatch.setattr(CalibrationFile, "at", at)
    again = uwe.TargetCache.open(own.path, model=HashEncoder())
    assert list(again.labels) == ["b", "c"]
    assert not again.calibrations


def test_without_a_calibration_there_is_no_confidence(targets: uwe.TargetCache) -> None:
    plain = uwe.TargetCache.build(HashEncoder(), LABELS, scorer=SOFT)
    for ranking in (uwe.rank("data", plain), uwe.rank("data", targets, scorer="pooled")):
        assert {match.confidence for match in ranking} == {None}
    with pytest.raises(InputError, match="min_confidence"):
        uwe.rank("data", plain, min_confidence=0.5)
    with pytest.raises(InputError, match="min_confidence"):
        uwe.rank("data", targets, min_confidence=0.5, kind="span")
    for wrong in (-0.1, 1.5, "half", math.nan):
        with pytest.raises(InputError, match="min_confidence"):
            uwe.rank("data", targets, min_confidence=wrong)  # type: ignore[arg-type]


def test_the_models_calibration_is_for_caches_of_all_tokens(tmp_path: Path) -> None:
    pooled = uwe.TargetCache.build(
        Calibrated(keyword=calibration(1)),
        LABELS,
        scorer=SOFT,
        tokens="pooled",
        path=tmp_path / "p",
    )
    assert {match.confidence for match in uwe.rank("data", pooled)} == {None}
    with pytest.raises(InputError, match="min_confidence"):
        uwe.rank("data", pooled, min_confidence=0.5)
    own = pooled.calibrated({"default": calibration(2)})
    assert None not in {match.confidence for match in uwe.rank("data", own)}


def test_tables_show_confidence(targets: uwe.TargetCache) -> None:
    rankings = uwe.rank_many(["big data", "law"], targets, k=2)
    rankings.append(uwe.rank("law", targets, k=1, kind="span"))
    column = rankings.to_arrow()["confidence"]
    assert str(column.type) == "float"
    flat = [match.confidence for matches in rankings for match in matches]
    assert flat[-1] is None
    assert column.to_pylist()[:-1] == pytest.approx(flat[:-1], abs=1e-6)
    assert column.to_pylist()[-1] is None
    html = rankings._repr_html_()
    assert all(f">{confidence:.0%}</td>" in html for confidence in flat[:-1])
    assert "confidence" not in rankings[2]._repr_html_()
    rankings.append(uwe.rank("law", targets, min_score=9))
    row = rankings._repr_html_().rpartition("<tr>")[2]
    assert row.count("<td") == 4


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(calibrations_json({"title": calibration(4)}))
    ((kind, found),) = CalibrationFile.at(file).calibrations().items()
    wanted = calibration(4)
    assert kind == "title"
    assert (found.features, found.scorer, found.bias) == (FEATURES, SOFT, wanted.bias)
    for name in ("mean", "scale", "weights"):
        assert (getattr(found, name) == getattr(wanted, name)).all()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 9, "calibrations": {}}', '{"version": 1, "calibrations": [1]}',
     '{"version": 1, "calibrations": {"title": {"features": {"score": {"mean": NaN}}}}}',
     '{"version": 1, "calibrations": {"title": {"features": {}, "bias": 1' + "0" * 400 + "}}}"],
)  # fmt: skip
def test_a_damaged_calibration_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(content)
    with pytest.raises(DataError, match=r"calibration\.json"):
        CalibrationFile.at(file).calibrations()


def test_a_folder_is_no_calibration(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        CalibrationFile.at(tmp_path).calibrations()


def test_a_filter_does_not_change_confidence(targets: uwe.TargetCache) -> None:
    whole = {m.index: m.confidence for m in uwe.rank("big data law", targets, k=13)}
    for where, candidates in (([3], None), ([1, 5, 6], None), ([0, 3, 12], 13)):
        some = uwe.rank("big data law", targets, where=where, candidates=candidates, k=2)
        assert some
        assert [m.confidence for m in some] == pytest.approx([whole[m.index] for m in some])


def test_what_is_kept_is_not_cut_with_what_is_left_out(targets: uwe.TargetCache) -> None:
    ranking = uwe.rank("chef of law", targets)
    best = max(ranking, key=lambda match: match.confidence or 0)
    found = uwe.rank("chef of law", targets, k=1, min_confidence=best.confidence)
    assert [match.index for match in found] == [best.index]


@pytest.mark.parametrize(
    "other",
    [unicodedata.normalize("NFD", "Big Café Data"), "Big Ca\u00adfé \u200bData", "big cafe data"],
)
def test_texts_that_the_encoder_reads_alike_have_one_confidence(other: str) -> None:
    model = Calibrated(keyword=calibration(1))
    vectors = model.encode([*LABELS, "a café"])
    targets = uwe.TargetCache.from_vectors(
        vectors, [*LABELS, "a café"], model=One(model), scorer=SOFT
    )
    one, two = (uwe.rank(query, targets) for query in ("Big Café Data", other))
    assert [match.confidence for match in one] == [match.confidence for match in two]


def test_of_one_target_alone_nothing_is_known() -> None:
    one = uwe.TargetCache.build(Calibrated(keyword=calibration(1)), ["data"], scorer=SOFT)
    assert uwe.rank("data", one)[0].confidence is None
    with pytest.raises(InputError, match="two targets"):
        uwe.rank("data", one, min_confidence=0.5)


def test_a_small_space_has_confidence_too() -> None:
    two = uwe.TargetCache.build(Calibrated(keyword=calibration(1)), LABELS[:2], scorer=SOFT)
    found = uwe.rank("data", two)
    assert len(found) == 2
    assert all(match.confidence is not None and 0 <= match.confidence <= 1 for match in found)
