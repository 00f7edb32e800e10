"""Files that are well-formed but of another shape than ours are refused with our own errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

import uwe
from conftest import HashEncoder
from tiny_model import write_model
from uwe.bench.results import Results, read_results
from uwe.corpus import RankingTask, read_task
from uwe.data.layout import write_task
from uwe.enrich.journal import Journal
from uwe.errors import CacheError, DataError, InputError, ModelError, UweError

DEEP = "[" * 100_000
OTHERS: list[Any] = [None, True, 1, -1, 2.5, 10**30, "x", [], [[]], {}, {"x": 1}, [None], ["x"]]


def write_sample(folder: Path) -> Path:
    """A task of two queries and three targets."""
    task = RankingTask(
        ["1", "2", "3"], ["a b", "c", "d e"], ["x", "y"], ["a", "e f"], [[0], [1, 2]]
    )
    write_task(folder, {"test": task})
    return folder


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document; of a list the first entries."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(min(len(value), 2)):
            yield from places(value[i], (*path, i))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    copy = json.loads(json.dumps(document))
    if not path:
        return value
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def twisted(document: Any) -> Iterator[Any]:
    for path in places(document):
        for other in OTHERS:
            yield changed(document, path, other)


# Target caches: manifests with a right checksum.


@pytest.fixture
def cache_path(encoder: HashEncoder, tmp_path: Path) -> Path:
    path = tmp_path / "c.uwe"
    uwe.TargetCache.build(
        encoder, ["a", "b"], path=path, metadata={"m": ["x", None]}, scorer=uwe.Scorer("pooled")
    )
    return path


def signed(document: Any) -> bytes:
    """The bytes of a manifest, which has its checksum first."""
    body = json.dumps({k: v for k, v in document.items() if k != "sha256"})[1:] + "\n"
    return f'{{"sha256":"{hashlib.sha256(body.encode()).hexdigest()}",\n{body}'.encode()


def use(path: Path, encoder: HashEncoder) -> None:
    cache = uwe.TargetCache.open(path, model=encoder)
    repr(cache)
    cache.info()
    uwe.rank("a", cache)


def test_manifests_of_another_shape_are_refused(cache_path: Path, encoder: HashEncoder) -> None:
    manifest = next(cache_path.glob("manifest*"))
    sound = json.loads(manifest.read_text())
    manifest.write_bytes(signed(sound))
    use(cache_path, encoder)
    del sound["sha256"]
    positional = [
        {**sound, "model": list(sound["model"].values())},
        {**sound, "scorer": ["soft", 0.5, None]},
        {**sound, "segments": [list(segment.values()) for segment in sound["segments"]]},
        {**sound, "scorer": {"name": "later", "temperature": None}},
    ]
    for document in (*positional, *twisted(sound)):
        if not isinstance(document, dict):
            continue
        manifest.write_bytes(signed(document))
        try:
            use(cache_path, encoder)
        except CacheError:
            continue


# Results.


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = write_sample(tmp_path_factory.mktemp("task") / "sample")
    return uwe.evaluate(HashEncoder(), tasks=[folder], scorer="pooled")


def test_results_of_another_shape_are_refused(results: Results, tmp_path: Path) -> None:
    from uwe.bench.means import means

    document = json.loads(results.to_json())
    assert Results.from_json(json.dumps(document)) == results
    document["entries"][0]["hardest"] = []
    refused = 0
    for other in twisted(document):
        try:
            read = Results.from_json(json.dumps(other))
        except DataError:
            refused += 1
            continue
        means(read)
        for entry in read.entries:
            entry.values(["MAP"])
    assert refused > 500
    (tmp_path / "r.json").write_text(results.to_json().replace('"mean":', '"mean":null,"_":'))
    with pytest.raises(DataError, match="it is damaged"):
        read_results(tmp_path / "r.json")


# Models.


@pytest.mark.parametrize("changes", [{"dim": 10**12}, {"max_tokens": 10**12}, {"dim": 10**400}])
def test_a_model_of_no_size_is_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    folder = write_model(tmp_path)
    document = json.loads((folder / "uwe.json").read_text()) | changes
    (folder / "uwe.json").write_text(json.dumps(document))
    with pytest.raises(ModelError):
        uwe.load(folder).encode(["data"])


def test_settings_of_another_shape_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    document = json.loads((folder / "uwe.json").read_text())
    document["trained_on"] = [{"name": "x", "sha256": "y"}]
    for other in twisted(document):
        (folder / "uwe.json").write_text(json.dumps(other))
        try:
            model = uwe.load(folder)
        except ModelError:
            continue
        assert model.dim
    (folder / "uwe.json").write_text(DEEP)
    with pytest.raises(ModelError):
        uwe.load(folder)


def test_a_tokenizer_without_its_word_for_the_unknown_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    tokenizer = Tokenizer(models.WordPiece({"data": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    model = uwe.load(folder)
    assert len(model.encode(["data"])) == 1
    for use_it in (lambda: model.encode(["data", "zebra"]), lambda: model.tokenize("zebra")):
        with pytest.raises(ModelError, match=r"tokenizer\.json"):
            use_it()


# Recipes, logs, journals, judgements.


@pytest.mark.parametrize(
    "text", [f"a = {DEEP}", DEEP, "a = " + "9" * 5000, "a = {" * 1000, "[" + "a." * 5000 + "a]"]
)
def test_recipes_without_end_are_refused(tmp_path: Path, text: str) -> None:
    pytest.importorskip("torch")
    from uwe.training.recipe import read_recipe

    for name in ("a.toml", "a.json"):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError):
            read_recipe(tmp_path / name)


RECIPE: dict[str, Any] = {
    "format": 2, "name": "x", "graphs": "train", "model": {"base": "x"},
    "optimizer": {"steps": 1, "max_grad_norm": 1.0},
    "graph": [{"name": "J", "relations": {"a": 1.0}}],
    "validation": {"tasks": ["a"], "metrics": ["MAP"]}, "batches": {"chunk_tokens": 2},
}  # fmt: skip


def test_recipes_of_another_shape_are_refused() -> None:
    pytest.importorskip("torch")
    from uwe.training.recipe import Recipe

    Recipe.from_dict(RECIPE)
    for other in (*twisted(RECIPE), *(changed(RECIPE, p, 10**400) for p in places(RECIPE) if p)):
        if not isinstance(other, dict):
            continue
        try:
            Recipe.from_dict(other)
        except InputError:
            continue


def test_a_change_without_end_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from uwe.training.recipe import read_recipe

    (tmp_path / "a.json").write_text(json.dumps(RECIPE))
    for value in (DEEP, "9" * 5000, "{a=" * 500):
        with pytest.raises(InputError):
            read_recipe(tmp_path / "a.json", changes=[f"optimizer.steps={value}"])


LINES = [
    DEEP, "[1]", "3", "null", "{", '{"step": 1e999}', '{"step": null}', "\udcff",
    '{"kind": "train", "step": 1}', '{"kind": "validation", "step": 1, "tasks": {"a": 1}}',
    '{"kind": "train", "step": 1, "loss": {"J": "x"}, "learning_rate": 1, "gradient_norm": 1}',
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_log_with_another_line_is_refused(tmp_path: Path, line: str) -> None:
    from uwe.training.log import read_metrics

    path = tmp_path / "metrics.jsonl"
    path.write_text(
        f'{line}\n{{"kind": "other", "step": 1}}\n', encoding="utf-8", errors="surrogateescape"
    )
    with pytest.raises(DataError):
        read_metrics(path)


@pytest.mark.parametrize(
    "line",
    [
        '{"key": "a", "lost": 1e999}', '{"key": "a", "answer": "b", "tokens": 1e999}',
        '{"key": [], "answer": "b", "tokens": 1}', '{"key": ' + DEEP, '{"key": "a", "lost": []}',
    ],
)  # fmt: skip
def test_a_journal_with_another_line_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "j.jsonl").write_text(line + "\n" + '{"key": "b", "lost": 1}\n')
    with pytest.raises(DataError):
        Journal(tmp_path / "j.jsonl")


def test_a_grade_without_end_is_refused(tmp_path: Path) -> None:
    import gzip

    folder = write_sample(tmp_path / "sample")
    path = next(folder.glob("*.qrels.tsv.gz"))
    line = gzip.decompress(path.read_bytes()).decode().splitlines()[0].split("\t")
    path.write_bytes(gzip.compress("\t".join([*line[:3], "9" * 5000]).encode()))
    with pytest.raises(DataError, match="a whole number"):
        read_task(folder, path.name.partition(".")[0])


def test_every_reader_takes_what_is_no_path_for_wrong_input(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from uwe.graphs.build import build_graphs
    from uwe.graphs.files import graph_paths, read_edges, read_graphs, read_nodes
    from uwe.graphs.pairs import import_pairs
    from uwe.model.export import export
    from uwe.training.log import read_metrics
    from uwe.training.recipe import read_recipe

    readers: dict[str, Callable[[Any], Any]] = {
        "graph_paths": graph_paths,
        "read_edges": read_edges,
        "read_nodes": lambda path: read_nodes(path, "job"),
        "read_graphs": read_graphs,
        "import_pairs": lambda path: import_pairs(path, "a", "b", tmp_path / "own", name="P"),
        "columns": lambda name: import_pairs(
            tmp_path / "none.csv", name, "b", tmp_path / "own", name="P"
        ),
        "read_metrics": read_metrics,
        "read_recipe": read_recipe,
        "export": lambda path: export(path, tmp_path / "out", scorer=uwe.Scorer("pooled")),
        "export to": lambda path: export(tmp_path, path, scorer=uwe.Scorer("pooled")),
        "build_graphs": lambda path: build_graphs(path, tmp_path / "out"),
        "train": lambda recipe: uwe.train(recipe, data=tmp_path),
    }
    for name, read in readers.items():
        for value in (None, 3, b"x", ["x"], object(), "a\0b", "\ud800"):
            try:
                read(value)
            except (UweError, OSError):
                continue
            if name == "read_metrics":
                continue
            pytest.fail(f"{name} took {value!r}")
