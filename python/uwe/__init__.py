"""Labels ranked for any text, exactly, with the reason for each score.

    import uwe
    skills = uwe.TargetCache.build(uwe.load(), ["Apache Spark", "pastry baking"], path="skills.uwe")
    uwe.rank("data engineer, big data pipelines", skills, k=2)

`load` gives a model, `TargetCache` keeps a target space, `rank` and `rank_many` rank it, `explain`
says why; `space_cache` has ESCO ready; `evaluate` runs WorkBench. What each takes, returns and
raises stands in its docstring.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# A name is imported when it is first used: `import uwe` costs next to nothing, and whoever only
# reads a cache loads no onnxruntime. The type checker sees plain imports.
if TYPE_CHECKING:
    from uwe._core import simd_level as simd_level
    from uwe.bench.calibrator import calibrate as calibrate
    from uwe.bench.evaluation import evaluate as evaluate
    from uwe.cache.target_cache import TargetCache as TargetCache
    from uwe.encoder.loading import load as load
    from uwe.encoder.text_encoder import TextEncoder as TextEncoder
    from uwe.encoder.tokens import TokenVectors as TokenVectors
    from uwe.encoder.truncation import TruncationWarning as TruncationWarning
    from uwe.errors import CacheCorruptError as CacheCorruptError
    from uwe.errors import CacheError as CacheError
    from uwe.errors import CacheFormatError as CacheFormatError
    from uwe.errors import CacheMismatchError as CacheMismatchError
    from uwe.errors import CacheNotFoundError as CacheNotFoundError
    from uwe.errors import DataError as DataError
    from uwe.errors import InputError as InputError
    from uwe.errors import MissingExtraError as MissingExtraError
    from uwe.errors import ModelError as ModelError
    from uwe.errors import TrainingError as TrainingError
    from uwe.errors import UweError as UweError
    from uwe.explanation import Explanation as Explanation
    from uwe.explanation import explain as explain
    from uwe.explanation import explain_many as explain_many
    from uwe.extraction.extract import extract as extract
    from uwe.extraction.extract import extract_many as extract_many
    from uwe.extraction.extract import extract_stream as extract_stream
    from uwe.extraction.findings import Extraction as Extraction
    from uwe.extraction.findings import Extractions as Extractions
    from uwe.extraction.findings import Finding as Finding
    from uwe.extraction.findings import Place as Place
    from uwe.extraction.segments import split_sentences as split_sentences
    from uwe.language import LanguageWarning as LanguageWarning
    from uwe.lexicon import Abbreviations as Abbreviations
    from uwe.metrics import QueryMetrics as QueryMetrics
    from uwe.metrics import cache_metrics as cache_metrics
    from uwe.metrics import score_metrics as score_metrics
    from uwe.parallelism import set_threads as set_threads
    from uwe.parallelism import threads as threads
    from uwe.ranking.arrays import TopK as TopK
    from uwe.ranking.arrays import late_interaction as late_interaction
    from uwe.ranking.arrays import scores as scores
    from uwe.ranking.arrays import top_k as top_k
    from uwe.ranking.matches import Match as Match
    from uwe.ranking.matches import Ranking as Ranking
    from uwe.ranking.matches import Rankings as Rankings
    from uwe.ranking.rank import rank as rank
    from uwe.ranking.rank import rank_many as rank_many
    from uwe.ranking.rank import rank_stream as rank_stream
    from uwe.scorer import Scorer as Scorer
    from uwe.spaces import TargetSpace as TargetSpace
    from uwe.spaces import space_cache as space_cache
    from uwe.spaces import target_space as target_space
    from uwe.spaces import target_spaces as target_spaces
    from uwe.trainer import train as train

    __version__: str

_MODULES = {
    "_core": "simd_level",
    "bench.calibrator": "calibrate",
    "bench.evaluation": "evaluate",
    "cache.target_cache": "TargetCache",
    "encoder.loading": "load",
    "encoder.text_encoder": "TextEncoder",
    "encoder.truncation": "TruncationWarning",
    "encoder.tokens": "TokenVectors",
    "errors": (
        "CacheCorruptError CacheError CacheFormatError CacheMismatchError CacheNotFoundError "
        "DataError InputError MissingExtraError ModelError TrainingError UweError"
    ),
    "explanation": "Explanation explain explain_many",
    "extraction.extract": "extract extract_many extract_stream",
    "extraction.findings": "Extraction Extractions Finding Place",
    "extraction.segments": "split_sentences",
    "language": "LanguageWarning",
    "lexicon": "Abbreviations",
    "metrics": "QueryMetrics cache_metrics score_metrics",
    "parallelism": "set_threads threads",
    "ranking.arrays": "TopK late_interaction scores top_k",
    "ranking.matches": "Match Ranking Rankings",
    "ranking.rank": "rank rank_many rank_stream",
    "scorer": "Scorer",
    "spaces": "TargetSpace space_cache target_space target_spaces",
    "trainer": "train",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted([*_HOMES, "__version__"])


if not TYPE_CHECKING:  # to a checker, a module with __getattr__ has every name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            value: Any = version("uwe")
        elif name in _HOMES:
            value = getattr(import_module(f"uwe.{_HOMES[name]}"), name)
        else:
            raise AttributeError(f"module 'uwe' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
