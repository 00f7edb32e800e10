"""The command line: what it prints, what it reads, how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import uwe
from cli_shell import Shell
from tiny_model import write_model

# rank


def test_rank_prints_a_table(shell: Shell) -> None:
    head, *rows = shell("rank", "data engineer, spark", "-t", "roles.uwe").stdout.splitlines()
    assert head.split() == ["rank", "label", "score", "earned", "by"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    cache = uwe.TargetCache.open("roles.uwe")
    matches = uwe.rank("data engineer, spark", cache)
    reasons = uwe.explain_many("data engineer, spark", cache, matches)
    for row, match, reason in zip(rows, matches, reasons, strict=True):
        assert match.label in row
        assert f" {match.score:.3f} " in f"{row} "
        if match.alias is not None:
            assert f"(alias: {match.alias})" in row
        for word in reason.top():
            assert f"{word.text.rstrip(',')} {word.share:+.3f}" in row


def test_rank_prints_json(shell: Shell) -> None:
    found = shell.json("rank", "data engineer", "--targets", "roles.uwe", "-k", "2")
    cache = uwe.TargetCache.open("roles.uwe")
    matches = uwe.rank("data engineer", cache, k=2)
    assert found["query"] == "data engineer"
    for place, (entry, match) in enumerate(zip(found["matches"], matches, strict=True), 1):
        why = entry.pop("why")
        assert entry == {"rank": place, **match.to_dict()}
        assert [word["text"] for word in why] == ["[CLS]", "data", "engineer", "[SEP]"]
        assert sum(word["share"] for word in why) == pytest.approx(match.score, abs=1e-5)
    (bare,) = shell.json("rank", "data", "-t", "roles.uwe", "-k", "1", "--no-why")["matches"]
    assert "why" not in bare


def test_rank_passes_every_option_on(shell: Shell) -> None:
    cache = uwe.TargetCache.open("roles.uwe")
    found = shell.json(
        "rank", "data", "-t", "roles.uwe", "--where", "family=IT", "--where", "family=Law",
        "--where", "level=3", "--scorer", "soft:0.5", "--min-score", "-1",
    )  # fmt: skip
    (match,) = uwe.rank(
        "data", cache, where={"family": ["IT"], "level": "3"},
        scorer=uwe.Scorer("soft", temperature=0.5),
    )  # fmt: skip
    assert found["matches"][0]["score"] == match.score
    assert found["matches"][0]["id"] == "R-1"


def test_rank_says_when_nothing_is_left(shell: Shell) -> None:
    done = shell("rank", "data", "-t", "roles.uwe", "--min-score", "2")
    assert done.stdout == ""
    assert "no target is left" in done.stderr
    assert shell.json("rank", "data", "-t", "roles.uwe", "--min-score", "2")["matches"] == []


def test_rank_says_when_the_cache_is_empty(shell: Shell) -> None:
    Path("one.txt").write_text("data\n")
    shell("cache", "build", "one.uwe", "--input", "one.txt", "--model", "tiny")
    shell("cache", "remove", "one.uwe", "--label", "data")
    assert "in the cache: add some" in shell("rank", "data", "-t", "one.uwe").stderr


def test_where_reads_numbers_and_booleans(shell: Shell) -> None:
    rows = [{"label": "data", "level": 3, "open": True}, {"label": "spark", "level": 4}]
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shell("cache", "build", "t.uwe", "--input", "t.jsonl", "--model", "tiny")
    for condition, label in (("level=4", "spark"), ("open=true", "data"), ("open=null", "spark")):
        found = shell.json("rank", "baker", "-t", "t.uwe", "--where", condition)["matches"]
        assert [match["label"] for match in found] == [label]
    assert "holds" in shell.error("rank", "baker", "-t", "t.uwe", "--where", "level=high")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rank", " ", "-t", "roles.uwe"], "query 0 is blank"),
        (["rank", "a", "-t", "roles.uwe", "-k", "0"], "k to be an integer >= 1"),
        (["rank", "a", "-t", "roles.uwe", "--where", "famly=IT"], "no metadata column 'famly'"),
        (["rank", "a", "-t", "roles.uwe", "--where", "family"], "expected --where COLUMN=VALUE"),
        (["rank", "a", "-t", "roles.uwe", "--scorer", "sof"], "one of the scorers"),
        (["rank", "a", "-t", "roles.uwe", "--scorer", "soft"], "needs a temperature"),
        (["rank", "a", "-t", "roles.uwe", "--scorer", "soft:hot"], "expected one number or two"),
        (["rank", "a", "-t", "roles.uwe", "--candidates", "0"], "expected candidates"),
        (["rank", "a", "-t", "nowhere"], "built-in target spaces esco-skills"),
        (["rank", "a", "-t", "esco-skills@1.0"], "built-in target spaces esco-skills"),
        (["rank", "a", "-t", "no.uwe"], "no target cache at"),
        (["rank", "a", "-t", "tiny/uwe.json"], "build one with uwe cache build"),
        (["rank", "a", "-t", "roles.uwe/manifest.json"], "name roles.uwe"),
        (["rank", "caf\udce9", "-t", "roles.uwe"], "your terminal or script"),
        (["average", "lr=0.1/typo", "tiny", "-o", "x"], "lr=0.1/typo: expected a folder"),
        (["average", "lr=0.1/model", "tiny=many", "-o", "x"], "tiny=many: expected a folder"),
        (["train", "none.toml"], "none.toml"),
        (["train", "reports.toml"], "reports.toml"),
        (["train", "recipe"], "recipe"),
        (["rank", "a", "-t", "roles.uwe", "--model", "nomodel"], "expected a model folder"),
        (["rank", "-t", "roles.uwe", "--input", "no.txt"], "no.txt: No such file"),
        (["rank", "-t", "roles.uwe", "--input", "roles.uwe"], "give the format"),
        (["explain", "a", "Baker", "-t", "roles.uwe"], "near are 'baker'"),
        (["explain", "a", "--index", "9", "-t", "roles.uwe"], "index from 0"),
        (["cache", "build", "x.uwe", "--space", "esco"], "built-in target space"),
        (["cache", "build", "x.uwe", "--input", "no.csv"], "no.csv: No such file"),
        (["cache", "info", "no.uwe"], "no target cache at"),
        (["cache", "remove", "roles.uwe", "--label", "nobody"], "no target has the label"),
    ],
)
def test_errors_are_one_line(shell: Shell, arguments: list[str], message: str) -> None:
    Path("lr=0.1/model").mkdir(parents=True)
    assert message in shell.error(*arguments)


@pytest.mark.parametrize(
    "command",
    [
        ["rank", "data", "-t", "roles.uwe", "-o", "round.jsonl"],
        ["rank", "-i", "round.jsonl", "-t", "roles.uwe", "-o", "found.jsonl"],
        ["extract", "tiny/uwe.json", "--html", "round.jsonl"],
        ["train", "report", "round.jsonl"],
        ["enrich", "tiny", "-o", "round.jsonl"],
    ],
)
def test_links_in_a_circle_say_what_to_do(shell: Shell, command: list[str]) -> None:
    Path("round.jsonl").symlink_to("round.jsonl")
    assert "its links lead in a circle" in shell.error(*command)


def test_an_option_that_comes_twice_is_told(shell: Shell) -> None:
    done = shell("rank", "data", "-t", "roles.uwe", "-k", "2", "-k", "1")
    assert "-k comes more than once" in done.stderr
    assert done.stdout == shell("rank", "data", "-t", "roles.uwe", "-k", "1").stdout
    shell("rank", "-k", "2", "-k", "1", "--help")


@pytest.mark.parametrize(
    "arguments",
    [
        ["rank"],
        ["rank", "a", "--input", "-"],
        ["rank", "a", "-k", "many"],
        ["rank", "a", "--nothing"],
        ["rank", "-i", "titles.txt", "-t", "roles.uwe", "--field", "title"],
        ["rank", "a", "-t", "roles.uwe", "--field", "title"],
        ["explain", "a", "b", "-t", "roles.uwe", "--skip-invalid"],
        ["cache", "build", "x.uwe", "--space", "esco-skills", "--format", "csv"],
        ["cache", "build", "x.uwe", "--space", "esco-skills", "--id-field", "uri"],
        ["explain", "a"],
        ["explain", "a", "b", "--index", "1"],
        ["explain", "a", "b", "--input", "pairs.csv"],
        ["explain", "--input", "pairs", "--format", "lines"],
        ["cache", "build", "x.uwe"],
        ["cache", "build", "x.uwe", "--input", "a.txt", "--space", "esco-skills"],
        ["cache", "append", "x.uwe"],
        ["cache", "remove", "x.uwe"],
        ["cache", "remove", "x.uwe", "--label", "a", "--id", "b"],
        ["nothing"],
        ["rank", "a", "-t", "roles.uwe", "-o", "x.csv", "--json"],
        ["extract", "-i", "titles.txt", "-t", "roles.uwe", "-o", "x.csv", "--json"],
        ["train", "inspct"],
    ],
)
def test_wrong_usage_ends_with_2(shell: Shell, arguments: list[str]) -> None:
    Path("titles.txt").write_text("data\n")
    done = shell(*arguments, code=2)
    assert done.stdout == ""
    assert "Usage:" in done.stderr


# explain, cache, spaces


def test_explain(shell: Shell) -> None:
    cache = uwe.TargetCache.open("roles.uwe")
    wanted = uwe.explain("data spark", cache, "data engineer")
    arguments = ("explain", "data spark", "data engineer", "-t", "roles.uwe")
    assert shell(*arguments).stdout == f"{wanted}\n"
    assert shell.json(*arguments) == wanted.to_dict()
    assert shell.json("explain", "data spark", "--index", "0", "-t", "roles.uwe") == (
        wanted.to_dict()
    )
    soft = shell.json(*arguments, "--scorer", "max")
    assert soft["scorer"] == "max"


def test_targets_are_separated_as_the_option_says(shell: Shell) -> None:
    Path("t.csv").write_text("label|a;b,c\ndata|1\n")
    shell("cache", "build", "my.uwe", "-i", "t.csv", "--delimiter", "|", "--model", "tiny")
    shell("cache", "append", "my.uwe", "-i", "t.csv", "--delimiter", "|")
    assert uwe.TargetCache.open("my.uwe").metadata[1] == {"a;b,c": "1"}
    build = ("cache", "build", "new.uwe", "--input", "-", "--format", "csv", "--model", "tiny")
    assert "delimiter" in shell.error(*build, text="label;a,b\nx;1\n")
    assert not Path("new.uwe").exists()


def test_a_cut_target_is_told_what_targets_can_have(shell: Shell) -> None:
    done = shell("cache", "build", "my.uwe", "-i", "-", "--model", "tiny", text="data " * 80)
    (line,) = done.stderr.splitlines()
    assert line.startswith("uwe: warning: text 0")
    assert "aliases" in line
    assert "uwe." not in line


def test_the_life_of_a_cache(shell: Shell) -> None:
    info = shell.json(
        "cache", "build", "my.uwe", "--input", "-", "--model", "tiny", "--dtype", "float16",
        text="data\nspark\nbaker\n",
    )  # fmt: skip
    assert (info["targets"], info["dtype"], info["scorer"]) == (3, "float16", "pooled")
    Path("more.txt").write_text("engineer\n")
    info = shell.json("cache", "append", "my.uwe", "--input", "more.txt")
    assert (info["targets"], info["data_files"]) == (4, 2)
    info = shell.json("cache", "remove", "my.uwe", "--label", "spark", "--label", "baker")
    assert (info["targets"], info["removed"]) == (2, 2)
    assert shell.json("cache", "compact", "my.uwe")["removed"] == 0
    assert shell.json("cache", "verify", "my.uwe")["sound"] is True
    assert shell("cache", "verify", "my.uwe").stdout.endswith("sound, 2 targets\n")
    assert list(uwe.TargetCache.open("my.uwe").labels) == ["data", "engineer"]
    shown = shell("cache", "info", "my.uwe").stdout
    assert re.search(r"^targets +2$", shown, re.MULTILINE)


def test_invalid_targets_are_passed_over_and_counted(shell: Shell) -> None:
    text = '{"label": "data", "level": 1}\n{\n{"label": " "}\n{"label": "spark", "level": 2}\n'
    build = ("cache", "build", "my.uwe", "--input", "-", "--format", "jsonl", "--model", "tiny")
    assert "line 2: expected a JSON object" in shell.error(*build, text=text)
    done = shell(*build, "--skip-invalid", text=text)
    assert done.stderr.startswith("uwe: skipped 2 invalid entries, first line 2: expected a JSON")
    append = ("cache", "append", "my.uwe", "--input", "-", "--format", "jsonl", "--skip-invalid")
    done = shell(*append, text='{"label": 5}\n{"label": "baker", "level": 3}\n')
    assert done.stderr.startswith("uwe: skipped 1 invalid entry, first line 1")
    cache = uwe.TargetCache.open("my.uwe")
    assert list(cache.labels) == ["data", "spark", "baker"]
    assert [cache.metadata[i] for i in range(3)] == [{"level": level} for level in (1, 2, 3)]


def test_a_cache_from_a_file_with_names_of_its_own(shell: Shell) -> None:
    names = ("--label-field", "preferredLabel", "--id-field", "conceptUri",
             "--aliases-field", "altLabels")  # fmt: skip
    Path("skills.csv").write_text(
        'conceptUri,skillType,preferredLabel,altLabels\nu1,tool,spark,"data spark\nbaker"\n'
    )
    shell("cache", "build", "my.uwe", "--input", "skills.csv", "--model", "tiny", *names)
    more = "conceptUri,skillType,preferredLabel,altLabels\nu2,craft,baker,\n"
    shell("cache", "append", "my.uwe", "--input", "-", "--format", "csv", *names, text=more)
    cache = uwe.TargetCache.open("my.uwe")
    assert (list(cache.labels), list(cache.ids)) == (["spark", "baker"], ["u1", "u2"])
    assert [cache.aliases[i] for i in range(2)] == [["data spark", "baker"], []]
    assert [cache.metadata[i] for i in range(2)] == [{"skillType": "tool"}, {"skillType": "craft"}]
    assert "skills.csv:1: expected a header" in shell.error(
        "cache", "append", "my.uwe", "--input", "skills.csv"
    )


def test_help_says_that_metadata_of_a_csv_are_texts(shell: Shell) -> None:
    for command in ("build", "append"):
        shown = " ".join(shell("cache", command, "--help").stdout.split())
        assert "Metadata from CSV are always texts" in shown
    Path("roles.csv").write_text("label,level\nspark,3\n")
    shell("cache", "build", "my.uwe", "--input", "roles.csv", "--model", "tiny")
    assert uwe.TargetCache.open("my.uwe").metadata[0] == {"level": "3"}


def test_a_blank_last_line_is_no_target_and_no_query(shell: Shell) -> None:
    build = ("cache", "build", "my.uwe", "--input", "-", "--model", "tiny")
    assert shell.json(*build, text="data\nspark\n\n")["targets"] == 2
    assert len(shell.lines("rank", "-i", "-", "-t", "my.uwe", text="data\nbaker\n\n")) == 2


def test_removal_by_id_and_by_metadata(shell: Shell, cli_folder: Path) -> None:
    shell("cache", "build", "my.uwe", "--input", str(cli_folder / "roles.csv"), "--model", "tiny")
    assert shell.json("cache", "remove", "my.uwe", "--id", "R-1")["targets"] == 2
    assert shell.json("cache", "remove", "my.uwe", "--where", "family=IT")["targets"] == 1
    again = shell("cache", "remove", "my.uwe", "--where", "family=IT")
    assert "nothing was removed" in again.stderr
    assert "targets        1" in again.stdout
    assert list(uwe.TargetCache.open("my.uwe").labels) == ["baker"]


def test_damage_is_found_by_verify(shell: Shell) -> None:
    shell("cache", "build", "my.uwe", "--input", "-", "--model", "tiny", text="data\nspark\n")
    file = max((p for p in Path("my.uwe").iterdir() if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert file.name in shell.error("cache", "verify", "my.uwe")


def test_a_model_of_its_own_is_kept_by_the_cache(shell: Shell) -> None:
    write_model(shell.folder / "other", max_tokens=7)
    message = shell.error("rank", "data", "-t", "roles.uwe", "--model", "other")
    assert "fingerprint" in message


def test_a_built_in_space_is_built_once_with_a_word_about_it(shell: Shell) -> None:
    arguments = ("rank", "data engineer", "-t", "esco-occupations", "--model", "tiny", "-k", "3")
    first, second = shell(*arguments), shell(*arguments)
    assert first.stderr.startswith("uwe: building the target cache of esco-occupations, once, in")
    assert len(first.stderr.splitlines()) == 1
    assert second.stderr == ""
    assert second.stdout == first.stdout
    assert len(first.stdout.splitlines()) == 4


def test_spaces_are_listed(shell: Shell) -> None:
    found = shell.json("spaces")
    assert [space["name"] for space in found] == list(uwe.target_spaces())
    assert {space["name"]: space["targets"] for space in found}["esco-skills"] == 13_939
    shown = shell("spaces").stdout
    assert all(name in shown for name in uwe.target_spaces())
    assert "This service uses the ESCO classification" in shown


def test_a_space_can_be_built_anywhere(shell: Shell) -> None:
    info = shell.json("cache", "build", "o.uwe", "--space", "esco-occupations", "--model", "tiny",
                      "--tokens", "pooled")  # fmt: skip
    assert (info["targets"], info["tokens"]) == (3039, "pooled")
    assert info["columns"] == ["code", "isco_group", "isco_label", "uri"]


def test_export_passes_every_option_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def recorded(source: str, out: str, **options: Any) -> SimpleNamespace:
        asked.update(options, source=source, out=out)
        return SimpleNamespace(onnx_bytes=23_500_000, cosine=0.99975)

    monkeypatch.setattr("uwe.model.export.export", recorded)
    Path("bert").mkdir()
    arguments = (
        "export", "bert", "-o", "small", "--scorer", "soft:0.1", "--weights",
        "float16", "--max-tokens", "64", "--special-tokens", "drop", "--name", "mine",
        "--language", "en", "--licence", "MIT", "--base-model", "bert-tiny",
    )  # fmt: skip
    assert shell(*arguments).stdout == "small: 23.5 MB, cosine to torch 0.999750 at least\n"
    assert asked == {
        "source": Path("bert"), "out": "small", "scorer": "soft:0.1",
        "weights": "float16", "max_tokens": 64, "special_tokens": "drop", "name": "mine",
        "language": "en", "licence": "MIT", "base_model": "bert-tiny",
    }  # fmt: skip
    found = shell.json("export", "bert", "-o", "small")
    assert found == {"folder": "small", "onnx_bytes": 23_500_000, "cosine": 0.99975}
    assert asked["scorer"] == "pooled"
    assert asked["name"] == "bert"


COMMANDS = [
    ["rank"], ["explain"], ["spaces"], ["export"], ["cache", "build"], ["cache", "info"],
    ["cache", "append"], ["cache", "remove"], ["cache", "compact"], ["cache", "verify"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_and_json(shell: Shell, command: list[str]) -> None:
    shown = shell(*command, "--help").stdout
    (first, *_) = re.findall(r"Examples?:\n +(uwe .*)\n", shown)
    assert first.startswith(f"uwe {' '.join(command)}")
    assert "--json" in shown


def test_help_tells_the_exit_codes(shell: Shell) -> None:
    shown = " ".join(shell("--help").stdout.split())
    for code in ("0 done", "1 an error", "2 wrong usage", "130 interrupted", "141"):
        assert code in shown


def test_a_bug_is_told_in_one_line_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("uwe.ranking.rank.rank", broken)
    done = shell("rank", "data", "-t", "roles.uwe", code=70)
    assert done.stderr.startswith("uwe: error: unexpected ZeroDivisionError: division by zero")
