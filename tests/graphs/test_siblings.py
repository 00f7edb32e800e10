"""Siblings: who they are in ESCO and O*NET, and that batches have more of them if they shall."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tiny_esco
import tiny_onet
from tiny_graphs import graph_of
from uwe.data.esco import read_esco
from uwe.data.onet import read_onet, write_onet
from uwe.errors import InputError
from uwe.graphs.graph import Graph, Nodes
from uwe.graphs.sampler import BatchSampler
from uwe.graphs.siblings import Siblings, broader_of, read_broader, siblings_of


def nodes(*ids: str) -> Nodes:
    return Nodes("skill", tuple((id_,) for id_ in ids), tuple(f"text {i}" for i in range(len(ids))))


def pairs(siblings: Siblings | None, count: int) -> set[tuple[int, int]]:
    """All that is drawn for each node, by many draws."""
    assert siblings is not None
    rng = np.random.default_rng(0)
    asked = np.tile(np.arange(count), 200)
    return {(int(a), int(b)) for a, b in zip(asked, siblings.draw(rng, asked), strict=True)}


def test_siblings_are_the_others_of_a_group() -> None:
    siblings = Siblings.from_groups(7, [[1, 2], [2, 3, 4], [5], [6, 6]])
    assert len(siblings) == 7
    assert pairs(siblings, 7) == {
        (0, -1), (1, 2), (2, 1), (2, 3), (2, 4), (3, 2), (3, 4), (4, 2), (4, 3), (5, -1), (6, -1),
    }  # fmt: skip


def test_siblings_are_drawn_evenly() -> None:
    siblings = Siblings.from_groups(4, [[0, 1, 2, 3]])
    drawn = Counter(siblings.draw(np.random.default_rng(1), np.full(9000, 1)).tolist())
    assert set(drawn) == {0, 2, 3}
    assert all(2800 < count < 3200 for count in drawn.values())


def test_nobody_has_a_sibling() -> None:
    siblings = Siblings.from_groups(3, [[1]])
    assert siblings.draw(np.random.default_rng(0), np.arange(3)).tolist() == [-1, -1, -1]
    assert siblings_of(nodes("a", "b"), {"a": ["x"], "b": ["y"]}) is None


def test_the_ids_of_onet_tell_siblings() -> None:
    ids = (
        "onet/11-1011.00", "onet/11-1031.00", "onet/11-2021.00",
        "onet-dwa/4.A.1.a.1.I01.D01", "onet-dwa/4.A.1.a.1.I01.D02", "onet-dwa/4.A.1.a.1.I02.D01",
        "onet-el/2.A.1.a", "onet-el/2.A.1.b", "onet-el/2.A.2.a",
        "unspsc/43231501", "unspsc/43231502", "unspsc/43231601",
    )  # fmt: skip
    found = pairs(siblings_of(nodes(*ids), {}), len(ids))
    assert found == {
        pair for i in range(0, 12, 3) for pair in ((i, i + 1), (i + 1, i), (i + 2, -1))
    }


def test_a_node_has_the_siblings_of_all_its_ids() -> None:
    merged = Nodes("skill", (("a", "b"), ("c",), ("d",)), ("x", "y", "z"))
    found = pairs(siblings_of(merged, {"a": ["1"], "b": ["2"], "c": ["1"], "d": ["2"]}), 3)
    assert found == {(0, 1), (0, 2), (1, 0), (2, 0)}


def test_esco_says_what_is_broader(tmp_path: Path) -> None:
    tables = tiny_esco.tables()
    tables["broaderRelationsSkillPillar"].append(
        ["x", tiny_esco.skill("flour"), "x", tiny_esco.skill("S1.1")]
    )
    release = read_esco(tiny_esco.write_zip(tmp_path / tiny_esco.NAME, tables))
    broader = broader_of(release)
    assert broader["skill/dough"] == (tiny_esco.skill("bake"),)
    assert broader["skill/flour"] == broader["skill/bake"] == (tiny_esco.skill("S1.1"),)
    assert "skill/sql" not in broader
    assert broader["occupation/baker"] == broader["occupation/head"] == ("isco/7512",)
    found = pairs(siblings_of(nodes("skill/flour", "skill/dough", "skill/bake"), broader), 3)
    assert found == {(0, 2), (1, -1), (2, 0)}


def test_onet_says_what_examples_are(tmp_path: Path) -> None:
    database = read_onet(tiny_onet.write_zip(tmp_path / "onet.zip"))
    release = read_esco(tiny_esco.write_zip(tmp_path / tiny_esco.NAME, tiny_esco.tables()))
    broader = broader_of(release, database)
    ids = database.example_ids("technology_skills")
    for row in database.tables["technology_skills"]:
        assert f"unspsc/{row['Commodity Code']}" in broader[ids[row["Example"]]]


def test_the_newest_release_is_read(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        tables = tiny_esco.tables()
        if version == "1.9.0":
            tables["broaderRelationsSkillPillar"] = tables["broaderRelationsSkillPillar"][:2]
        (tmp_path / "esco" / version).mkdir(parents=True)
        name = tiny_esco.NAME.replace("1.2.0", version)
        tiny_esco.write_zip(tmp_path / "esco" / version / name, tables)
    assert "skill/bake" in read_broader(tmp_path)
    write_onet(read_onet(tiny_onet.write_zip(tmp_path / "onet.zip")), tmp_path / "onet")
    assert any(id_.startswith("onet-tech/") for id_ in read_broader(tmp_path))


def test_a_folder_without_a_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="esco/"):
        read_broader(tmp_path)


def test_batches_have_more_siblings() -> None:
    count, group = 2000, 10
    graph = graph_of([(i, i) for i in range(count)])
    groups = [range(start, start + group) for start in range(0, count, group)]
    siblings = Siblings.from_groups(count, groups)

    def share(hard: float) -> float:
        sampler = BatchSampler(graph, 64, hard_negatives=hard, siblings=(siblings, None))
        found = []
        for number in range(30):
            batch = sampler.batch(number)
            assert np.array_equal(batch.positives, np.eye(64, dtype=bool))
            in_group = np.bincount(batch.left // group, minlength=count // group)
            found.append((in_group[batch.left // group] > 1).mean())
        return float(np.mean(found))

    shares = [share(hard) for hard in (0.0, 0.3, 0.6, 0.9)]
    assert shares == sorted(shares)
    assert shares[0] < 0.3 < 0.45 < shares[2]


@pytest.mark.slow
def test_the_siblings_of_the_data_folder(data_folder: Path, train_graphs: dict[str, Graph]) -> None:
    broader, graph = read_broader(data_folder), train_graphs["J"]
    left, right = siblings_of(graph.left, broader), siblings_of(graph.right, broader)
    assert left is not None
    assert right is not None
    assert (np.diff(left.starts) > 0).mean() > 0.95
    assert (np.diff(right.starts) > 0).mean() > 0.9
    batch = BatchSampler(graph, 256, hard_negatives=0.5, siblings=(left, right)).batch(0)
    assert batch.positives.any(axis=0).all()
    assert batch.positives.any(axis=1).all()
