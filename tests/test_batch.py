"""Tables of texts ranked and extracted a batch at a time, as the workers of a cluster do it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import uwe
from tiny_model import write_model
from uwe import batch
from uwe.batch import Extractor, Ranker
from uwe.errors import CacheNotFoundError, InputError
from uwe.parallelism import set_worker_threads

pa = pytest.importorskip("pyarrow")
pyarrow_compute = pytest.importorskip("pyarrow.compute")
TITLES = ["data engineer", "baker", "Spark baker, data", "engineers"]
ADVERT = "Requirements:\n- Good knowledge of SQL\n- Able to work well in a team\n"


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    yield
    uwe.set_threads(None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of a tiny model, which workers find by their paths."""
    folder = tmp_path_factory.mktemp("tiny")
    uwe.TargetCache.build(
        uwe.load(str(write_model(folder / "model"))),
        ["data", "baker", "spark engineer"],
        path=folder / "tiny.uwe",
        ids=["a", None, "c"],
        aliases=[["data engineer"], [], []],
        metadata={"level": [1, 2.5, None], "note": [None] * 3, "year": [None, 1999, None]},
    )
    return folder / "tiny.uwe"


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("skills") / "skills.uwe"
    labels = ["SQL", "work in teams", "contract law"]
    uwe.TargetCache.build(uwe.load(), labels, path=path, ids=["s", "t", "c"])
    return path


def titles(**columns: list[Any]) -> Any:
    return pa.table({"key": range(len(TITLES)), "title": TITLES, **columns})


def test_ranks_as_rank_many_does(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = uwe.rank_many(TITLES, uwe.TargetCache.open(tiny), k=2).to_arrow()
    monkeypatch.setattr(batch, "_ROWS", 3)
    found = Ranker(tiny, column="title", k=2)(titles())
    assert found.column_names == ["key", *expected.column_names[1:]]
    assert found["key"].to_pylist() == expected["query"].to_pylist()
    names = expected.column_names[1:]
    assert found.select(names).to_pylist() == expected.select(names).to_pylist()


def test_extracts_as_extract_many_does(skills: Path) -> None:
    texts = [ADVERT, "Free parking.", ADVERT.upper()]
    expected = uwe.extract_many(texts, uwe.TargetCache.open(skills)).to_arrow()
    assert expected["label"].null_count == 1
    found = Extractor(skills, column="advert")(pa.table({"advert": texts, "ref": ["x", "y", "z"]}))
    assert found.column_names == ["ref", *expected.column_names[1:]]
    assert found["ref"].to_pylist() == ["xyz"[i] for i in expected["text"].to_pylist()]
    names = expected.column_names[1:]
    assert found.select(names).to_pylist() == expected.select(names).to_pylist()


def test_each_batch_has_the_same_schema(tiny: Path, skills: Path) -> None:
    whole = titles()
    for found_by in (
        Ranker(tiny, column="title", k=1),
        Ranker(tiny, column="title", where=[0]),
        Ranker(tiny, column="title", where=[], skip_invalid=True),
        Extractor(skills, column="title"),
    ):
        nulls = pa.table({"key": [7], "title": pa.array([None], pa.string())})
        parts = [whole, whole.slice(1, 1), whole.slice(0, 0)]
        if found_by._skip_invalid:
            parts.append(nulls)
        (schema,) = {found_by(part).schema for part in parts}
        assert not any(pa.types.is_null(kind) for kind in schema.types)


def test_keeps_and_renames_columns(tiny: Path) -> None:
    table = titles(id=["a", "b", "c", "d"])
    with pytest.raises(InputError, match="'id'"):
        Ranker(tiny, column="title")(table)
    found = Ranker(tiny, column="title", k=1, keep={"id": "ref", "title": "job"})(table)
    assert found.column_names[:3] == ["ref", "job", "query_text"]
    assert found["ref"].to_pylist() == ["a", "b", "c", "d"]
    assert found["job"].to_pylist() == TITLES
    assert Ranker(tiny, column="title", keep=[])(table).column_names[0] == "query_text"


def test_a_row_without_a_match_stays(tiny: Path) -> None:
    found = Ranker(tiny, column="title", where=[])(titles())
    assert found["key"].to_pylist() == [0, 1, 2, 3]
    assert found["query_text"].to_pylist() == TITLES
    assert all(found[name].null_count == 4 for name in found.column_names[2:])


def test_takes_other_forms_of_a_table(tiny: Path) -> None:
    ranker, table = Ranker(tiny, column="title", k=1), titles()
    expected = ranker(table).to_pylist()
    batches = table.to_batches(max_chunksize=3)
    assert ranker(batches[0]).to_pylist() == expected[:3]
    parts = list(ranker.batches(iter([*batches, batches[0].slice(0, 0)])))
    assert pa.Table.from_batches(parts).to_pylist() == expected
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        assert ranker(table.set_column(1, "title", table["title"].cast(kind))).num_rows == 4
    polars = pytest.importorskip("polars")
    assert ranker(polars.from_arrow(table)).to_pylist() == expected


def test_keeps_columns_that_arrow_takes_no_rows_of(tiny: Path) -> None:
    """Views of texts and bytes, which polars gives, also nested; and encoded runs."""
    polars = pytest.importorskip("polars")
    columns = {
        "text": ["ä", None, "b", "b"],
        "bytes": [b"a", b"b", None, b"\xff"],
        "list": [["a", None], [], None, ["b"]],
        "pair": [{"x": "a", "y": 1}, {"x": None, "y": 2}, None, {"x": "b", "y": 3}],
        "array": polars.Series([["a", "b"]] * 4, dtype=polars.Array(polars.String, 2)),
    }
    frame = polars.DataFrame({"title": TITLES, **columns})
    found = Ranker(tiny, column="title", k=2)(frame)
    for name in columns:
        assert found[name].to_pylist() == [v for v in frame[name].to_list() for _ in range(2)]
    runs = pyarrow_compute.run_end_encode(pa.array(["a", "a", "b", "b"]))
    found = Ranker(tiny, column="title", k=1)(titles(runs=runs))
    assert found["runs"].to_pylist() == ["a", "a", "b", "b"]


def test_a_column_may_have_chunks_of_its_own(tiny: Path) -> None:
    """Arrow gives no rows of a column with an empty chunk that came by a stream."""
    chunks = pa.chunked_array([TITLES[:1], [], TITLES[1:]])
    table = pa.table({"title": chunks}).append_column("n", pa.array(range(4)))
    for form in (table, table.to_reader(), *table.to_batches()[:1]):
        found = Ranker(tiny, column="title", k=1)(form)
        assert found["n"].to_pylist() == list(range(len(found)))


def test_a_column_that_cannot_be_kept_is_named(tiny: Path) -> None:
    kept = pa.array([[("a", "b")]] * 4, pa.map_(pa.string(), pa.string()))
    views = kept.cast(pa.map_(pa.string_view(), pa.string_view()))
    with pytest.raises(InputError, match="'views'"):
        Ranker(tiny, column="title")(titles(views=views))
    polars = pytest.importorskip("polars")
    wide = polars.DataFrame({"title": TITLES, "n": polars.Series([1] * 4, dtype=polars.Int128)})
    with pytest.raises(InputError, match="i128"):
        Ranker(tiny, column="title")(wide)


def test_a_pickle_has_the_options_and_no_cache(tiny: Path) -> None:
    ranker = Ranker(tiny, column="title", k=1, scorer="max", where={"level": 2.5})
    expected = ranker(titles())
    assert expected["label"].to_pylist() == ["baker"] * 4
    again = pickle.loads(pickle.dumps(ranker))
    assert "_cache" not in vars(again)
    assert again(titles()).equals(expected)


def test_skips_what_is_no_text(tiny: Path) -> None:
    texts = ["baker", None, " ", "\u200b", "data"]
    table = pa.table({"text": texts, "row": range(5)})
    with pytest.raises(InputError, match="skip_invalid"):
        Ranker(tiny)(table)
    found = Ranker(tiny, k=1, skip_invalid=True)(table)
    assert found["row"].to_pylist() == [0, 1, 2, 3, 4]
    assert found["label"].to_pylist()[:3] == ["baker", None, None]
    assert found["label"].to_pylist()[4] == "data"
    raw = pa.array([b"baker", b"\xff"], pa.binary())
    broken = pa.table({"text": pa.StringArray.from_buffers(2, *raw.buffers()[1:])})
    with pytest.raises(InputError, match="UTF-8"):
        Ranker(tiny)(broken)
    assert Ranker(tiny, k=1, skip_invalid=True)(broken)["label"].to_pylist() == ["baker", None]


def test_a_text_beyond_the_limit_is_skipped_alone(
    skills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uwe.extraction.extract._MOST_CHARACTERS", 100)
    found = Extractor(skills, skip_invalid=True, keep=["text"])(
        pa.table({"text": [ADVERT * 9, ADVERT]})
    )
    assert found["label"].to_pylist()[0] is None
    assert "SQL" in found["label"].to_pylist()[1:]


@pytest.mark.parametrize(
    "wrong",
    [
        {"targets": 3},
        {"targets": None},
        {"column": 3},
        {"keep": "title"},
        {"keep": [1]},
        {"keep": [["ref"]]},
        {"keep": {"a": "x", "b": "x"}},
        {"skip_invalid": "no"},
    ],
)
def test_refuses_wrong_arguments_at_once(tiny: Path, wrong: dict[str, Any]) -> None:
    for kind in (Ranker, Extractor):
        with pytest.raises(InputError):
            kind(**{"targets": tiny, **wrong})


@pytest.mark.parametrize("skip_invalid", [False, True])
@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"where": {"nowhere": 1}}, {"min_confidence": 0.5}, {"scorer": "best"}]
)
def test_refuses_wrong_options_at_the_first_batch(
    tiny: Path, wrong: dict[str, Any], skip_invalid: bool
) -> None:
    with pytest.raises(InputError):
        Ranker(tiny, column="title", skip_invalid=skip_invalid, **wrong)(titles())


@pytest.mark.parametrize("wrong", [{"where": {"nowhere": 1}}, {"abbreviations": 3}])
def test_an_extractor_skips_no_wrong_option(skills: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Extractor(skills, skip_invalid=True, **wrong)(pa.table({"text": [ADVERT]}))


def test_refuses_wrong_tables(tiny: Path) -> None:
    column = pa.array(TITLES)
    for wrong in ({"title": TITLES}, TITLES, None, "baker", column, pa.chunked_array([column])):
        with pytest.raises(InputError, match="batch_format"):
            Ranker(tiny, column="title")(wrong)
    lists = pa.table({"title": [["baker"]]})
    two = pa.table([["baker"], ["data"]], ["title", "title"])
    for table in (pa.table({"name": TITLES}), two, pa.table({"title": [1, 2]}), lists):
        with pytest.raises(InputError, match="'title'"):
            Ranker(tiny, column="title", skip_invalid=True)(table)
    with pytest.raises(InputError, match="iterable of batches"):
        list(Ranker(tiny, column="title").batches(None))
    with pytest.raises(InputError, match="'ref'"):
        Ranker(tiny, column="title", keep=["ref"])(titles())
    with pytest.raises(CacheNotFoundError):
        Ranker(tiny.with_name("other.uwe"), column="title")(titles())


def test_takes_the_threads_that_the_engine_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UWE_THREADS", raising=False)
    for given, expected in (("3", 3), ("2,4", 2), ("99999", 1024)):
        uwe.set_threads(None)
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        set_worker_threads()
        assert uwe.threads() == expected
    set_worker_threads()  # what is chosen stays
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    set_worker_threads()
    assert uwe.threads() == 1024
    uwe.set_threads(None)
    monkeypatch.setenv("UWE_THREADS", "5")
    set_worker_threads()
    assert uwe.threads() == 5
    monkeypatch.delenv("UWE_THREADS")
    everything = uwe.threads()
    for unusable in ("", "0", "-1", "many", "9" * 5000):
        monkeypatch.setenv("OMP_NUM_THREADS", unusable)
        set_worker_threads()
        assert uwe.threads() == everything
