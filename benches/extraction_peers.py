"""What other extractors find in whole adverts and CVs, beside the plain ways with this package.

    UWE_DATA=FOLDER python benches/extraction_peers.py uwe
    UWE_DATA=FOLDER python benches/extraction_peers.py sentences
    UWE_DATA=FOLDER python benches/extraction_peers.py names
    UWE_DATA=FOLDER python benches/extraction_peers.py esco-names
    UWE_DATA=FOLDER python benches/extraction_peers.py esco-skill-extractor PYTHON [MODEL]
    UWE_DATA=FOLDER python benches/extraction_peers.py skill-extractor PYTHON [MODEL]

`uwe` is `uwe.extract`; `sentences` gives each sentence its best skill; `names` finds each name of
the built-in space as it stands, `esco-names` each label and alternative label of ESCO's own. PYTHON
is the interpreter of an environment with the peer of that name (PyPI). MODEL is a folder with
all-MiniLM-L6-v2 (for skill-extractor as `onnx/model.onnx` and `tokenizer.json`), where the hub is
out of reach. A figure is a line; docs/extraction.md says how it is measured.

esco-skill-extractor gives URIs without places. It is called sentence by sentence, which tells the
places, and on the whole text as its page says, where a finding is right if any marked place accepts
its label. It tells no scores: it is asked at every threshold.

skill-extractor gives words of its own list and where they stand. A word that is a name of an ESCO
skill has that skill's label. Beside it, its places get the label that `uwe.rank` has first.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

LABELLED, WHOLE = "typed/adverts", "whole text"
THRESHOLDS = [round(0.02 * step, 2) for step in range(10, 50)]


# --- In the environment of the peer ---------------------------------------------------------------


def by_thresholds(texts: list[str], timed: list[str], model: str) -> dict[str, Any]:
    """esco-skill-extractor: URIs, each with the greatest threshold that it passes."""
    from sentence_transformers.util import dot_score

    module: Any = import_module("esco_skill_extractor")
    peer = module.SkillExtractor(**({"model": model} if model else {}))
    seconds = _seconds(lambda text: peer.get_skills([text]), timed)
    default = peer.skills_threshold
    # The same texts come at each threshold: vectors and similarities are kept.
    encode = peer._model.encode
    kept: dict[str, tuple[Any, Any]] = {}

    def once(what: str, given: Any, compute: Callable[[], Any]) -> Any:
        if what not in kept or kept[what][0] != given:
            kept[what] = given, compute()
        return kept[what][1]

    peer._model.encode = lambda tokens, **options: once(
        "vectors", tokens, lambda: encode(tokens, **options)
    )
    module.util = SimpleNamespace(
        dot_score=lambda a, b: once("similarities", kept["vectors"][0], lambda: dot_score(a, b))
    )
    scores: list[dict[str, float]] = []
    for start in range(0, len(texts), 500):  # its matrix of similarities is held whole
        block = texts[start : start + 500]
        of_block: list[dict[str, float]] = [{} for _ in block]
        for threshold in THRESHOLDS:
            peer.skills_threshold = threshold
            for of_text, found in zip(of_block, peer.get_skills(block), strict=True):
                of_text.update(dict.fromkeys(found, threshold))
        scores += of_block
    return {
        "seconds": seconds,
        "threshold": default,
        "found": [[(uri, score, None) for uri, score in of.items()] for of in scores],
    }


def by_candidates(texts: list[str], timed: list[str], model: str) -> dict[str, Any]:
    """skill-extractor: its candidates, each with its probability and place."""
    if model:
        import huggingface_hub

        hub: Any = huggingface_hub
        hub.hf_hub_download = lambda _, name: str(Path(model, name))
    module: Any = import_module("skill_extractor.extractor")
    peer = module.SkillExtractor()

    def candidates(text: str) -> list[tuple[str, float, tuple[int, int]]]:
        pairs = peer.candidates(text)
        if not pairs:
            return []
        chances = peer.mlp.predict_proba(peer.embedder.encode([f"{s} : {c}" for s, c in pairs]))
        places = peer.matcher.extract(text)
        return [
            (word, float(chance), (start, end))
            for (word, start, end), chance in zip(places, chances, strict=True)
        ]

    return {
        "seconds": _seconds(peer.extract, timed),
        "threshold": module.DEFAULT_THRESHOLD,
        "found": [candidates(text) for text in texts],
    }


PEERS = {"esco-skill-extractor": by_thresholds, "skill-extractor": by_candidates}


def _seconds(call: Callable[[str], object], texts: list[str]) -> float:
    """Of a call, on average; the first, which loads what is loaded late, is left out."""
    call(texts[0])
    started = time.perf_counter()
    for text in texts:
        call(text)
    return (time.perf_counter() - started) / len(texts)


# --- Here -----------------------------------------------------------------------------------------


def main(name: str, python: str = "", model: str = "") -> None:
    """Prints a table."""
    from uwe.bench.extraction import evaluate_extraction
    from uwe.data.adverts import marked_sets
    from uwe.data.layout import data_folder

    sets = marked_sets(data_folder())
    print("set | extractor | measure | score >= | precision | recall | F1 | found | idle | ms")
    if name in PEERS:
        extractors, threshold, seconds = of_peer(name, python, model, sets)
    else:
        extractors, threshold, seconds = own(name), 0.5, None
    for set_name, texts in sets.items():
        for how, extractor in extractors.items():
            if how == WHOLE and set_name != LABELLED:
                continue  # it tells labels alone
            result = evaluate_extraction(extractor, texts, threshold=threshold)
            for what, measure in (("labels", result.labels), ("places", result.places)):
                if how == WHOLE and what == "places":
                    continue
                for figures in (measure.default, measure.best) if measure else ():
                    numbers = (
                        f"{100 * each.mean:.1f} ({100 * each.low:.1f}–{100 * each.high:.1f})"
                        for each in (figures.precision, figures.recall, figures.f1)
                    )
                    cells = [
                        set_name, how, what, f"{figures.threshold:.3f}", *numbers, figures.found,
                        figures.idle, f"{1e3 * (seconds or result.seconds):.0f}",
                    ]  # fmt: skip
                    print(" | ".join(map(str, cells)), flush=True)


def own(name: str) -> dict[str, Any]:
    """Those of this package, and the dictionaries."""
    import uwe
    from uwe.bench.extraction import EXTRACTORS

    if name in ("names", "esco-names"):
        return {name: dictionary(names_of_skills(written=name == "names"))}
    return {name: EXTRACTORS[name](uwe.space_cache("esco-skills"))}


def dictionary(labels: dict[str, str]) -> Callable[[str], Iterator[Any]]:
    """Finds names; the longest wins, and case is left aside."""
    words = re.compile(r"\w+|[^\w\s]")
    by_words = {tuple(words.findall(name)): label for name, label in labels.items()}
    longest = max(map(len, by_words))

    def find(text: str) -> Iterator[Any]:
        found = list(words.finditer(text))
        folded = [word[0].casefold() for word in found]
        start = 0
        while start < len(found):
            for end in range(min(len(found), start + longest), start, -1):
                label = by_words.get(tuple(folded[start:end]))
                if label is not None:
                    yield label, 1.0, [(found[start].start(), found[end - 1].end())]
                    start = end - 1
                    break
            start += 1

    return find


def names_of_skills(*, written: bool = True) -> dict[str, str]:
    """Labels of ESCO 1.2.0 by folded names: labels, names of the space, ESCO 1.1.1's own.

    Args:
        written: Whether the names of the space count, many of which a language model wrote.
    """
    import uwe

    space, older = uwe.target_space("esco-skills"), uwe.target_space("esco-skills@1.1.1")
    labels = dict(zip(space.ids, space.labels, strict=True))
    found = {label.casefold(): label for label in space.labels}
    for each in (space, older) if written else (older,):
        for id_, label, aliases in zip(each.ids, each.labels, each.aliases or (), strict=True):
            for name in (label, *aliases) if id_ in labels else ():
                found.setdefault(name.casefold(), labels[id_])
    return found


def of_peer(
    name: str, python: str, model: str, sets: dict[str, Any]
) -> tuple[dict[str, Any], float, float]:
    """What the peer found, as extractors; its threshold, and its time a text."""
    import uwe
    from uwe.bench.extraction import sentences

    texts = [text.text for of_set in sets.values() for text in of_set]
    parts = {text: sentences(text) for text in texts}
    asked = texts
    if name == "esco-skill-extractor":
        asked = [text.text for text in sets[LABELLED]]
        asked += [part.text for text in texts for part in parts[text]]
    asked = list(dict.fromkeys(asked))
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "given.json"), Path(folder, "found.json")
        timed = [text.text for text in sets[LABELLED]]
        given.write_text(json.dumps({"texts": asked, "timed": timed, "model": model}))
        subprocess.run([python, __file__, "--within", name, given, out], check=True)
        answer = json.loads(out.read_text())
    print(name, answer["version"], f"threshold {answer['threshold']}")
    found = dict(zip(asked, answer["found"], strict=True))
    space, names = uwe.target_space("esco-skills"), names_of_skills()
    uris = [f"http://data.europa.eu/esco/{id_}" for id_ in space.ids]
    labels = dict(zip(uris, space.labels, strict=True))

    def whole(text: str) -> Iterator[Any]:
        for key, score, _ in found[text]:
            yield labels.get(key, key), score, [(0, len(text))]

    def by_sentence(text: str) -> Iterator[Any]:
        for part in parts[text]:
            for key, score, _ in found[part.text]:
                yield labels.get(key, key), score, [(part.start, part.end)]

    def by_name(text: str) -> Iterator[Any]:
        for word, score, place in found[text]:
            yield names.get(word.casefold(), word), score, [tuple(place)]

    def by_rank(text: str) -> Iterator[Any]:
        cache = uwe.space_cache("esco-skills")
        rankings = uwe.rank_many([text[slice(*place)] for *_, place in found[text]], cache, k=1)
        for (_, score, place), ranking in zip(found[text], rankings, strict=True):
            yield ranking[0].label, score, [tuple(place)]

    extractors = (
        {"by sentence": by_sentence, WHOLE: whole}
        if name == "esco-skill-extractor"
        else {"its words as names": by_name, "labels by uwe.rank": by_rank}
    )
    return extractors, answer["threshold"], answer["seconds"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--within"]:
        peer, given, out = sys.argv[2:]
        asked = json.loads(Path(given).read_text())
        answer = PEERS[peer](asked["texts"], asked["timed"], asked["model"])
        Path(out).write_text(json.dumps({**answer, "version": version(peer)}))
    else:
        main(*sys.argv[1:])
