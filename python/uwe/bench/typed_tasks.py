"""The tasks of what people type: each set twice, against labels alone and against all names."""

from __future__ import annotations

from dataclasses import replace

from uwe.bench.task import Task

__all__ = ["TYPED_TASKS"]

_SHOWN = ("hit@1", "hit@5", "hit@10")
_OCCUPATIONS, _SKILLS = "ESCO 1.2.0 occupations", "ESCO 1.2.0 skills"
_WRITTEN = "queries and answers by a large language model as an expert coder"
_WRITTEN_LICENCE = "CC BY 4.0; labels are ESCO's"
_EXTRA = "not a task of WorkRB"
_FLATTERS = (
    "queries and answers are by a large language model of the kind that wrote the names of the "
    "space and its lexicon: they flatter what learned from those"
)
_PEOPLES = "its answers are people's, not a language model's"
_ONE_ANSWER = (
    "annotators saw the whole advert and gave one answer each: about a third of what counts as "
    "wrong is not"
)
_SPANS = (
    _EXTRA,
    _PEOPLES,
    "the query is a span without its sentence",
    "its answers are labels of ESCO 1.1.0",
)

_BY_LABELS = (
    Task(
        name="typed_titles", folder="typed/titles.tsv", paper="", typed="titles", shown=_SHOWN,
        query="typed job title", target="job title", space=_OCCUPATIONS,
        measures="finds an occupation that a coder accepts for a messy job title",
        source=_WRITTEN, licence=_WRITTEN_LICENCE, deviations=(_EXTRA, _FLATTERS),
    ),
    Task(
        name="typed_keywords", folder="typed/keywords.tsv", paper="", typed="keywords",
        shown=_SHOWN,
        query="keyword", target="skill", space=_SKILLS,
        measures="finds a skill that a coder accepts for a keyword of a CV or an advert",
        source=_WRITTEN, licence=_WRITTEN_LICENCE, deviations=(_EXTRA, _FLATTERS),
    ),
    Task(
        name="typed_adverts", folder="typed/adverts", paper="", typed="adverts", shown=_SHOWN,
        query="place in an advert", target="skill", space=_SKILLS,
        measures="finds a skill that a coder accepts for a place in a whole advert or CV",
        source=_WRITTEN, licence=_WRITTEN_LICENCE, deviations=(_EXTRA, _FLATTERS),
    ),
    Task(
        name="typed_advert_titles", folder="typed/advert_titles.tsv", paper="",
        typed="advert_titles", shown=_SHOWN,
        query="vacancy title", target="job title", space=_OCCUPATIONS,
        measures="finds the occupation that people gave to a real advert, from its title alone",
        source="Tabiya's Hahu set: titles of real adverts from Ethiopia, half of it",
        licence="CC BY 4.0",
        deviations=(_EXTRA, _PEOPLES, _ONE_ANSWER),
    ),
    Task(
        name="typed_spans_house", folder="typed/spans_house.tsv", paper="", typed="spans_house",
        shown=_SHOWN,
        query="span of a vacancy", target="skill", space=_SKILLS,
        measures="finds the skill of a span that experts marked in a vacancy",
        source="HOUSE, validation split (Decorte et al. 2022, on SkillSpan)", licence="CC BY 4.0",
        origins=("skillspan-house",), deviations=_SPANS,
    ),
    Task(
        name="typed_spans_tech", folder="typed/spans_tech.tsv", paper="", typed="spans_tech",
        shown=_SHOWN,
        query="span of a vacancy", target="skill", space=_SKILLS,
        measures="finds the skill of a span that experts marked in a vacancy in technology",
        source="TECH, validation split (Decorte et al. 2022, on SkillSpan)", licence="CC BY 4.0",
        origins=("skillspan-tech",), deviations=_SPANS,
    ),
)  # fmt: skip


def _with_names(task: Task) -> Task:
    return replace(
        task,
        name=f"{task.name}_names",
        space=f"{task.space}, with all their names",
        deviations=(
            *task.deviations,
            "every name of a target scores, abbreviations are written out, and the best counts",
        ),
        names=True,
    )


TYPED_TASKS: tuple[Task, ...] = tuple(
    each for task in _BY_LABELS for each in (task, _with_names(task))
)
"""Each set against labels alone, then against all names."""
