"""Siblings: nodes of one side with something broader in common, so hard to tell apart."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.data.esco import EscoRelease, read_releases
from uwe.data.onet import OnetDatabase, read_onet
from uwe.graphs.graph import Nodes, offsets

_CODED = (
    re.compile(r"(onet/\d\d-\d\d)\d\d\.\d\d"),  # the minor group of SOC
    re.compile(r"(onet-dwa/.+)\.D\d+"),  # the intermediate work activity
    re.compile(r"(onet-el/.+)\.\w+"),  # the element above
    re.compile(r"(unspsc/\d{6})\d\d"),  # the class of a commodity
)
"""Ids of O*NET's that begin with what is broader."""

_EXAMPLES = ("technology_skills", "tools_used")


@dataclass(frozen=True, eq=False)
class Siblings:
    """Groups of the nodes of one side; a node may be in several, or in none."""

    nodes: int  # how many nodes the side has
    starts: NDArray[np.int64]  # (nodes + 1,): node i is in `groups[starts[i]:starts[i + 1]]`
    groups: NDArray[np.int64]  # (m,): numbers of groups
    member_starts: NDArray[np.int64]  # (groups + 1,): likewise, where the members of each group are
    members: NDArray[np.int64]  # (m,): numbers of nodes, ascending for each group

    def __len__(self) -> int:
        return self.nodes

    @classmethod
    def from_groups(cls, nodes: int, groups: Iterable[Iterable[int]]) -> Siblings:
        """Siblings among so many nodes, by their groups; a group of one says nothing."""
        kept = [group for group in (sorted(set(group)) for group in groups) if len(group) > 1]
        members = np.array([node for group in kept for node in group], dtype=np.int64)
        sizes = np.array([len(group) for group in kept], dtype=np.int64)
        of_member = np.repeat(np.arange(len(kept), dtype=np.int64), sizes)
        order = np.argsort(members, kind="stable")
        member_starts = offsets(of_member, len(kept))
        return cls(nodes, offsets(members, nodes), of_member[order], member_starts, members)

    def fingerprint(self) -> str:
        """sha256 of the groups."""
        digest = hashlib.sha256(str(self.nodes).encode())
        for array in (self.member_starts, self.members):
            digest.update(array.astype("<i8").tobytes())
        return digest.hexdigest()

    def draw(self, rng: np.random.Generator, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """A random sibling of each node (n,), out of a random group of it; -1 if it has none."""
        found = np.full(len(nodes), -1, dtype=np.int64)
        has = np.flatnonzero(self.starts[nodes + 1] > self.starts[nodes])
        asked = nodes[has]
        groups = self.groups[rng.integers(self.starts[asked], self.starts[asked + 1])]
        last = self.member_starts[groups + 1] - 1
        drawn = self.members[rng.integers(self.member_starts[groups], last)]
        # The last of the group, which could not be drawn, stands in for the node itself.
        found[has] = np.where(drawn == asked, self.members[last], drawn)
        return found


def siblings_of(nodes: Nodes, broader: Mapping[str, Sequence[str]]) -> Siblings | None:
    """Which nodes of a side have something broader in common; None if none have.

    Beside `broader`, as `read_broader` gives it, the ids of O*NET's tell it for occupations of one
    minor group, activities of one intermediate activity, elements below one element, and
    commodities of one class.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, ids in enumerate(nodes.ids):
        for id_ in ids:
            for group in broader.get(id_, ()):
                groups[group].append(number)
            for pattern in _CODED:
                if match := pattern.fullmatch(id_):
                    groups[match[1]].append(number)
    siblings = Siblings.from_groups(len(nodes), groups.values())
    return siblings if len(siblings.members) else None


def read_broader(data: str | Path) -> dict[str, tuple[str, ...]]:
    """What is directly broader, for ids as `uwe data graphs` gives them, from a data folder.

    It reads ESCO's newest release in `esco/<version>/` and, if there is `onet/`, O*NET.
    """
    data = Path(data)
    release, _ = read_releases(data, older=False)
    onet = read_onet(data / "onet") if (data / "onet").is_dir() else None
    return broader_of(release, onet)


def broader_of(
    release: EscoRelease, database: OnetDatabase | None = None
) -> dict[str, tuple[str, ...]]:
    """What is directly broader, for ids as `uwe data graphs` gives them.

    Of a skill what ESCO's pillar of skills has above it; of an occupation its ISCO group; of a
    technology or tool of O*NET's its commodities.
    """
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for skill in release.skills.values():
        for uri in release.broader.get(skill.uri, ()):
            found[skill.id][uri] = None
    for occupation in release.occupations.values():
        if occupation.isco_group:
            found[occupation.id][f"isco/{occupation.isco_group}"] = None
    if database is not None:
        for table in _EXAMPLES:
            ids = database.example_ids(table)
            for row in database.tables[table]:
                found[ids[row["Example"]]][f"unspsc/{row['Commodity Code']}"] = None
    return {id_: tuple(groups) for id_, groups in found.items()}
