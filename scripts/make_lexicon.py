"""Writes python/uwe/assets/lexicon/abbreviations.tsv from UWE_DATA/lexicon.

An entry of the kind `word` is found in small letters too. Of some the small letters are a word of
their own ("mats", "ins", "rep"): whatever ESCO's labels have as a word becomes the kind `short`.

    UWE_DATA=FOLDER python scripts/make_lexicon.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import uwe

OUT = Path(__file__).parents[1] / "python" / "uwe" / "assets" / "lexicon" / "abbreviations.tsv"
# In ESCO's alternative labels and in written sentences, though not in its labels.
WORDS = {
    "apps",
    "dept",
    "exec",
    "flex",
    "ins",
    "lang",
    "perm",
    "physio",
    "rep",
    "specs",
    "stats",
    "temp",
    "vac",
}


def main() -> None:
    """Copies the table with its kinds corrected."""
    spaces = [uwe.target_space(name) for name in ("esco-skills", "esco-occupations")]
    labels = " ".join(label for space in spaces for label in space.labels)
    words = WORDS | set(re.findall(r"\b[a-z]+\b", labels))
    source = Path(os.environ["UWE_DATA"]) / "lexicon" / "abbreviations.tsv"
    header, *lines = source.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    for row in rows:
        if row[2] == "word" and row[0].lower() in words:
            row[2] = "short"
    OUT.parent.mkdir(exist_ok=True)
    text = "\n".join([header, *("\t".join(row) for row in rows)]) + "\n"
    OUT.write_text(text, encoding="utf-8", newline="\n")
    print(f"{OUT}: {len(rows)} abbreviations")


if __name__ == "__main__":
    main()
