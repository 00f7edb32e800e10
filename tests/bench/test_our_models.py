"""Our models: what they declare is what the data folder has, and the cards' figures hold."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import uwe
from uwe.bench.adapters.resolve import bench_model
from uwe.bench.contamination import Auditor
from uwe.bench.tasks import task_named
from uwe.data.layout import read_split
from uwe.files.hashing import file_sha256
from uwe.graphs.adverts import build_advert_graphs
from uwe.graphs.written import build_written_graphs

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "uwe-mini": Path(uwe.__file__).parent / "assets" / "uwe-mini",
    "uwe-mini-clean": ROOT / "models" / "uwe-mini-clean",
}
GRAPHS = {
    "uwe-mini": {"train": 5, "train_full": 5, "written_clean": 7, "written_full": 7, "adverts": 2},
    "uwe-mini-clean": {"train": 5, "written_clean": 7, "adverts": 2},
}
BUILT = ("written_clean", "written_full", "adverts")
"""Folders of graphs that are built from the project's texts."""
CLEAN = ("skillextract_house", "skillextract_tech", "jobnorm")
REGIMES: dict[str, dict[str, tuple[str, ...]]] = {
    "uwe-mini": {
        "clean": CLEAN,
        "held-out": ("skillextract_skillskape", "onet_alttitle"),
        "seen": ("skillnorm", "heldout_job2skill", "heldout_skill2job"),
    },
    "uwe-mini-clean": {
        "clean": (*CLEAN, "skillnorm", "heldout_job2skill", "heldout_skill2job"),
        "held-out": ("skillextract_skillskape", "onet_job2tech"),
    },
}


@pytest.fixture(params=FOLDERS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    if not FOLDERS[found].exists() and not (ROOT / ".git").exists():
        pytest.skip("a source distribution has the shipped model alone")
    return found


def test_it_says_what_it_is(name: str) -> None:
    model = uwe.load(FOLDERS[name])
    config = model.config
    assert (config.name, str(config.scorer), config.max_tokens) == (name, "soft:0.5:4", 256)
    assert (config.language, config.licence) == ("en", "Apache-2.0")
    assert config.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    card = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    assert all(source.sha256 in card for source in config.trained_on)


@pytest.fixture(scope="module")
def with_texts(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder, with graphs that are built from the project's texts."""
    folder = tmp_path_factory.mktemp("data")
    for entry in data_folder.iterdir():
        if entry.name not in BUILT:
            (folder / entry.name).symlink_to(entry)
    for name in ("written_clean", "written_full"):
        build_written_graphs(folder, ROOT / "data", folder / name, heldout=name == "written_full")
    build_advert_graphs(folder, ROOT / "data", folder / "adverts")
    return folder


def test_it_was_trained_on_the_graphs_of_the_data_folder(name: str, data_folder: Path) -> None:
    sources = uwe.load(FOLDERS[name]).config.trained_on
    edges = [source.name for source in sources if source.name.endswith(".edges.tsv.gz")]
    assert Counter(edge.split("/")[0] for edge in edges) == GRAPHS[name]
    for source in sources:
        if source.name.split("/")[0] not in BUILT:
            assert file_sha256(data_folder / source.name, unpacked=True) == source.sha256


@pytest.mark.release
def test_its_graphs_of_texts_come_out_again(name: str, with_texts: Path) -> None:
    for source in uwe.load(FOLDERS[name]).config.trained_on:
        assert file_sha256(with_texts / source.name, unpacked=True) == source.sha256, source.name


@pytest.mark.release
def test_its_regimes_are_those_of_the_docs(name: str, with_texts: Path) -> None:
    auditor, model = Auditor(with_texts), bench_model(str(FOLDERS[name]))
    for regime, tasks in REGIMES[name].items():
        for each in map(task_named, tasks):
            split = read_split(with_texts / each.folder, "val")
            assert auditor.regime(model, each, split).name == regime, each.name


@pytest.mark.release
def test_a_figure_of_its_card_comes_out_again(name: str, data_folder: Path) -> None:
    card = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    row = re.search(r"^\| skillextract_house/val .*soft:0\.5:4 .*$", card, re.MULTILINE)
    assert row is not None
    said = float(row[0].split("|")[5].split()[0])
    found = uwe.evaluate(
        str(FOLDERS[name]),
        tasks="skillextract_house",
        splits="val",
        data=data_folder,
        scorer="soft:0.5:4",
    )
    assert 100 * found.entries[0].metrics["MAP"].mean == pytest.approx(said, abs=0.3)
