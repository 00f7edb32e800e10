"""Make python/uwe/assets/spaces from the publisher's ESCO files: the same bytes in, the same out.

    python scripts/make_spaces.py DATA_FOLDER        # with esco/, lexicon/ and written/

A space is one `<name>.jsonl.gz`, a target a line, and `spaces.json` describes them all. Targets
stand in the order of the publisher's labels as they are spelt, surrounding blanks included, which
is how WorkBench orders its targets; ties are broken by that order. Then labels are stripped.
`space_names.py` chooses the aliases of ESCO 1.2.0.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from space_names import names_of

ASSETS = Path(__file__).parents[1] / "python" / "uwe" / "assets" / "spaces"
URI_PREFIX = "http://data.europa.eu/esco/"
REBUILT_1_2_0 = "esco/1.2.0/ESCO_v1.2.0_rebuilt_part_en_csv.zip"
OFFICIAL_1_2_0 = "esco/1.2.0/ESCO_v1.2.0_official_part_en_csv.zip"
COMPLETE_1_1_1 = "esco/1.1.1/ESCO_dataset_v1.1.1_classification_en_csv.zip"
LICENCE = "Commission Decision 2011/833/EU"
ATTRIBUTION = "This service uses the ESCO classification of the European Commission."
NAMES = (
    " Names from the uwe lexicon and the uwe written texts, CC BY 4.0, and from O*NET 29.2 "
    "(USDOL/ETA, CC BY 4.0, modified)."
)

Row = dict[str, str]


def main(folder: Path) -> None:
    """Write the three spaces and their description."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    skills = read_rows(folder / REBUILT_1_2_0, "skills_en.csv")
    occupations = read_rows(folder / OFFICIAL_1_2_0, "occupations_en.csv")
    skills_1_1_1 = read_rows(folder / COMPLETE_1_1_1, "skills_en.csv")
    groups = {
        row["code"]: row["preferredLabel"]
        for row in read_rows(folder / OFFICIAL_1_2_0, "ISCOGroups_en.csv")
    }
    spaces = {
        "esco-skills": write_space(
            "esco-skills",
            "ESCO skills with the names that people use",
            "1.2.0",
            skills,
            no_columns,
            aliases=named("esco-skills", skills, folder),
            attribution=ATTRIBUTION + NAMES,
        ),
        "esco-occupations": write_space(
            "esco-occupations",
            "ESCO occupations with the titles that people use",
            "1.2.0",
            occupations,
            lambda row: {
                "code": row["code"],
                "isco_group": row["iscoGroup"],
                "isco_label": groups[row["iscoGroup"]],
            },
            aliases=named("esco-occupations", occupations, folder),
            attribution=ATTRIBUTION + NAMES,
        ),
        "esco-skills@1.1.1": write_space(
            "esco-skills-1.1.1",
            "ESCO skills with alternative labels",
            "1.1.1",
            skills_1_1_1,
            lambda row: {"skill_type": row["skillType"], "reuse_level": row["reuseLevel"]},
            aliases=[alternative_labels(row) for row in skills_1_1_1],
        ),
    }
    text = json.dumps({"format": 1, "spaces": spaces}, indent=2, ensure_ascii=False)
    (ASSETS / "spaces.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def read_rows(archive: Path, name: str) -> list[Row]:
    """The rows of one CSV in the publisher's zip, in the order described above."""
    with zipfile.ZipFile(archive) as zipped, zipped.open(name) as raw:
        rows = list(csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline="")))
    return sorted(rows, key=lambda row: row["preferredLabel"])


def named(space: str, rows: Sequence[Row], data: Path) -> list[list[str]]:
    """The names of each target that its aliases become."""
    ids = [row["conceptUri"].removeprefix(URI_PREFIX) for row in rows]
    return names_of(space, ids, [row["preferredLabel"].strip() for row in rows], data)


def no_columns(_: Row) -> dict[str, str]:
    """For a space whose publisher's columns are not official."""
    return {}


def write_space(
    file: str,
    title: str,
    version: str,
    rows: Iterable[Row],
    columns: Callable[[Row], dict[str, str]],
    *,
    aliases: Sequence[list[str]],
    attribution: str = ATTRIBUTION,
) -> dict[str, object]:
    """Write `<file>.jsonl.gz`; returns its entry for spaces.json."""
    lines = []
    metadata: list[str] = []
    for row, others in zip(rows, aliases, strict=True):
        target: dict[str, object] = {
            "id": row["conceptUri"].removeprefix(URI_PREFIX),
            "label": row["preferredLabel"].strip(),
        }
        target["aliases"] = others
        values = columns(row)
        metadata = list(values)
        target.update(values)
        lines.append(json.dumps(target, ensure_ascii=False, separators=(",", ":")))
    content = "".join(line + "\n" for line in lines).encode("utf-8")
    packed = io.BytesIO()
    # No time and no name in the header: a second run writes the same bytes.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as zipped:
        zipped.write(content)
    (ASSETS / f"{file}.jsonl.gz").write_bytes(packed.getvalue())
    return {
        "file": f"{file}.jsonl.gz",
        "title": title,
        "version": version,
        "language": "en",
        "targets": len(lines),
        "columns": [*metadata, "uri"],
        "uri_prefix": URI_PREFIX,
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": LICENCE,
        "attribution": attribution,
    }


def alternative_labels(row: Row) -> list[str]:
    """The other texts of a skill, stripped, once each; those equal to its label say nothing new."""
    label = row["preferredLabel"].strip()
    texts = dict.fromkeys(text.strip() for text in row["altLabels"].split("\n"))
    return [text for text in texts if text and text != label]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
