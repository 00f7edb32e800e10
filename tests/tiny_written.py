"""The written texts and the lexicon in a few lines, and the ESCO and the queries that they meet."""

from __future__ import annotations

import gzip
from pathlib import Path

from tiny_esco import concept, write_release
from uwe.corpus import RankingTask
from uwe.data.layout import write_task

# Held out by the hash of their URIs: skill 4 and occupation 26.
NEW = {
    "skills": [
        concept("skill", 0, "bake bread", "make bread"),
        concept("skill", 1, "use\u00a0SQL", "query tables"),
        concept("skill", 2, "use SQL"),
        concept("skill", 4, "sell goods", "hawk", "selling"),
    ],
    "occupations": [
        concept("occupation", 0, "baker", "bread maker"),
        concept("occupation", 1, "cook"),
        concept("occupation", 26, "seller", "salesperson"),
    ],
}
OLD = {"skills": [concept("skill", 0, "bake loaves", "loaf making")]}

TEXTS = {
    "written/skills.tsv.gz": (
        "id\tlabel\tsentence\tsentence without the label's words\tname\tother name",
        "skill/0\tbake bread\tWe seek a baker.\tKneads at dawn.\tMake  Bread\tLoaf making",
        "skill/1\tuse SQL\tSQL wanted.\tReads tables.\tUse sql\thawk",
        "skill/4\tsell goods\tSells.\tSold.\tvending\tretail",
        "skill/99\tgone\tGoes.\tWent.\tgoing\tleaving",
    ),
    "written/sentences_several.tsv.gz": (
        "sentence\tids\tlabels",
        "Bakes and reads.\tskill/0 | skill/1\tbake bread | use SQL",
        "Bakes and sells.\tskill/0 | skill/4\tbake bread | sell goods",
    ),
    "written/occupations.tsv.gz": (
        "id\tlabel\ttitles ...",
        "occupation/0\tbaker\tBaker - nights\tBAKER\tTypical  Query",
        "occupation/1\tcook\tbaker - Nights",
        "occupation/26\tseller\tShop hand\tShop assistant",
    ),
    "written/occupation_skills.tsv.gz": (
        "id\tlabel\tskills in free words ...",
        "occupation/0\tbaker\tuse SQL\tselling\tovens\ttypical query",
        "occupation/1\tcook\tOvens",
    ),
    "lexicon/skill_terms.tsv.gz": (
        "term\tid\tlabel\tothers\tsource",
        "sourdough\tskill/0\tbake bread\tuse SQL | telex\twritten",
        "0-2 years\tNONE\tNONE\t\twritten",
        "Keyword\tskill/0\tbake bread\t\twritten",
        "a place\tskill/0\tbake bread\t\twritten",
        "make bread\tskill/0\tbake bread\tuse SQL\twritten",
    ),
    "lexicon/occupation_titles.tsv.gz": (
        "term\tid\tlabel\tothers\tsource",
        "bread baker\toccupation/0\tbaker\tcook | seller\tonet-reported-title",
        "Salesperson\toccupation/1\tcook\t\twritten",
    ),
}


def write_texts(folder: Path, name: str = "", *lines: str) -> Path:
    """Write the files, one of them with other lines than it has here."""
    for file, known in TEXTS.items():
        content = "".join(f"{line}\n" for line in (lines if file == name else known))
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        packed = gzip.compress(content.encode("utf-8", "surrogateescape"), mtime=0)
        (folder / file).write_bytes(packed)
    return folder


def write_data(folder: Path) -> Path:
    """Two releases of ESCO, two tasks of WorkBench, and two sets of what people type."""
    write_release(folder / "esco" / "1.10.0", NEW)
    write_release(folder / "esco" / "1.9.0", OLD)
    for name, query in (("jobnorm", "typical query"), ("skillnorm", "sourdough")):
        task = RankingTask(["t"], ["target"], ["q"], [query], [[0]])
        write_task(folder / "workbench" / name, {"val": task})
    (folder / "typed" / "adverts").mkdir(parents=True)
    (folder / "typed" / "keywords.tsv").write_text("keyword\tskill\talso\nkeyword\tany\t\n")
    (folder / "typed" / "adverts" / "01.tsv").write_text("A place\tany\n")
    return folder
