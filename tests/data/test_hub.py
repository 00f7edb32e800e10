"""Sets of the Hugging Face hub, from local copies in their form, against WorkRB's own loaders."""

from __future__ import annotations

import csv
import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import uwe
from cli_shell import Shell
from uwe.corpus import RankingTask
from uwe.data.esco import EscoRelease, read_esco
from uwe.data.hub import HUB_TASKS, esco_of, hub_task, import_hub_task
from uwe.data.layout import read_split
from uwe.errors import DataError, InputError

datasets = pytest.importorskip("datasets", reason="needs the extra 'bench'")

SKILLS = ["use spreadsheets", "bake bread ", "Perl", "bake cakes", "écrire", "perl"]
JOBS = ["baker", " data analyst", "Welder", "welder"]
URI = "http://data.europa.eu/esco/"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No network, no cache of the user's, and nothing temporary is left behind."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a test reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert not list(temporary.glob("uwe-*"))


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """A file as repositories have them: parquet, CSV or JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def write_esco(folder: Path) -> None:
    """A tiny release, with what WorkRB and we read of it."""
    for kind, labels in (("skill", SKILLS), ("occupation", JOBS)):
        rows = [
            {"conceptUri": f"{URI}{kind}/{i}", "preferredLabel": label, "altLabels": ""}
            for i, label in enumerate(labels)
        ]
        write_table(folder / f"{kind}s_en.csv", rows)
    relation = {"occupationUri": f"{URI}occupation/0", "relationType": "essential",
                "skillType": "", "skillUri": f"{URI}skill/1"}  # fmt: skip
    write_table(folder / "occupationSkillRelations_en.csv", [relation])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the releases of ESCO that WorkRB takes."""
    folder = tmp_path_factory.mktemp("hub")
    for version in ("1.0.5", "1.1.0"):
        write_esco(folder / "esco" / version)
    return folder


def sentences(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"sentence": sentence, "label": label, "extra": "-"} for sentence, label in pairs]


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of all repositories, in the forms that the hub has."""
    folder = tmp_path_factory.mktemp("mirror")
    val = sentences(
        ("Wir backen. ", "bake cakes"), ("We use tables", "use spreadsheets"),
        ("Wir backen.", "bake bread "), ("We use tables", "LABEL NOT PRESENT"),
        ("no skill", "UNDERSPECIFIED"), ("Camels", "Perl"), ("Camels", "Perl"), ("Camels", "perl"),
    )  # fmt: skip
    test = sentences(("écrivez", "écrire"), ("a cake", "bake cakes"))
    house = folder / "TechWolf" / "skill-extraction-house" / "data"
    write_table(house / "validation-00000-of-00001.parquet", val)
    write_table(house / "test-00000-of-00001.parquet", test)
    tech = folder / "TechWolf" / "skill-extraction-tech"
    write_table(tech / "validation.csv", val)
    write_table(tech / "test.csv", test)
    write_table(folder / "TechWolf" / "skill-extraction-techwolf" / "test.jsonl", test)
    skape = folder / "jjzha" / "skillskape"
    for name, rows in (("train", val), ("validation", val), ("test", test)):
        write_table(skape / f"{name}.jsonl", rows)

    titles = [("Baker (m/f)", 0), (" Baker (m/f) ", 0), ("ANALYST", 1), ("Baker (m/f)", 2)]
    rows = [
        {"vacancy_job_title": title, "esco_URI": f"{URI}occupation/{i}", "esco_job_title": JOBS[i]}
        for title, i in titles
    ]
    titles_folder = folder / "TechWolf" / "JobBERT-evaluation-dataset"
    write_table(titles_folder / "validation.csv", rows)
    write_table(titles_folder / "test.csv", rows[2:])

    skills = [f"skill {i}" for i in range(30)]
    pairs = [
        {"skill_a": skills[i % 30], "skill_b": skills[(i * 7 + 3) % 30], "related": int(i % 3 < 2)}
        for i in range(60)
    ]
    write_table(folder / "TechWolf" / "SkillMatch-1K" / "test.csv", pairs)

    melo = folder / "Avature" / "MELO-Benchmark"
    corpus = [{"text": text} for text in ("baker", "bread maker", "baker ", "welder", "analyst")]
    queries = [
        {"text": "Bakers", "labels": [0, 1]}, {"text": "Welders", "labels": [3]},
        {"text": "Bakers ", "labels": [2, 4]},
    ]  # fmt: skip
    for language in ("usa_q_en_c_en", "ita_q_it_c_it"):
        write_table(melo / language / "corpus.jsonl", corpus)
        write_table(melo / language / "queries.jsonl", queries)
    (melo / "README.md").write_text("---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n"
        f"  - split: queries\n    path: {name}/queries.jsonl\n"
        f"  - split: corpus\n    path: {name}/corpus.jsonl\n"
        for name in ("ita_q_it_c_it", "usa_q_en_c_en")
    ) + "---\n")  # fmt: skip
    return folder


@pytest.fixture
def workrb_tasks(data: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """WorkRB's own task classes, which find the copies where they expect the hub and ESCO."""
    return redirected(data / "esco", mirror, tmp_path, monkeypatch)


def redirected(esco: Path, mirror: Path, tmp_path: Path, patch: pytest.MonkeyPatch) -> Any:
    import workrb.data.esco as workrb_esco
    from workrb.tasks import ranking

    cache = tmp_path / "wteb"
    for version in esco.iterdir():
        (cache / "esco" / version.name).mkdir(parents=True)
        # WorkRB's name of the folder depends on the version of Python.
        for name in ("en", "Language.EN"):
            (cache / "esco" / version.name / name).symlink_to(version)
    patch.setattr(workrb_esco.appdirs, "user_cache_dir", lambda _: str(cache))
    load = datasets.load_dataset

    def local(repository: str, *args: Any, **kwargs: Any) -> Any:
        return load(str(mirror / repository), *args, **kwargs)

    for module in (ranking.jobnorm, ranking.skill_extraction, ranking.skill_similarity,
                   ranking.melo):  # fmt: skip
        patch.setattr(module, "load_dataset", local)
    return ranking


ORACLES: dict[str, Callable[[Any, str], Any]] = {
    "jobnorm": lambda r, s: r.JobBERTJobNormRanking(languages=["en"], split=s),
    "skillextract_house": lambda r, s: r.HouseSkillExtractRanking(languages=["en"], split=s),
    "skillextract_tech": lambda r, s: r.TechSkillExtractRanking(languages=["en"], split=s),
    "skillextract_techwolf": lambda r, s: r.TechWolfSkillExtractRanking(languages=["en"], split=s),
    "skillextract_skillskape": lambda r, s: r.SkillSkapeExtractRanking(languages=["en"], split=s),
    "skillsim": lambda r, s: r.SkillMatch1kSkillSimilarityRanking(languages=["en"], split=s),
    "MELO": lambda r, s: r.MELORanking(languages=["en"], split=s),
}


def assert_equals_workrb(ours: RankingTask, theirs: Any) -> None:
    (found,) = theirs.datasets.values()
    assert ours.queries == found.query_texts
    assert ours.targets == found.target_space
    assert ours.relevant == found.target_indices


@pytest.mark.parametrize("name", [task.name for task in HUB_TASKS])
def test_equal_workrb(
    name: str, data: Path, mirror: Path, tmp_path: Path, workrb_tasks: Any
) -> None:
    task = hub_task(name)
    done = import_hub_task(task, tmp_path / "out" / name, esco=esco_of(task, data), mirror=mirror)
    only_test = name in ("skillextract_techwolf", "MELO")
    assert sorted(done.splits) == (["test"] if only_test else ["test", "val"])
    for split, found in done.splits.items():
        assert_equals_workrb(found, ORACLES[name](workrb_tasks, split))
        assert read_split(done.folder, split).task == found


def test_what_is_left_out_is_counted(data: Path, mirror: Path, tmp_path: Path) -> None:
    task = hub_task("skillextract_house")
    done = import_hub_task(task, tmp_path / "out", esco=esco_of(task, data), mirror=mirror)
    assert done.left_out == {
        "labels that are no skill of ESCO": 2,
        "sentences without a skill of ESCO": 1,
        "queries merged into one of equal text": 1,
    }
    assert done.splits["val"].query_ids == ["val-0", "val-1", "val-2"]
    assert done.splits["val"].queries == ["Camels", "We use tables", "Wir backen."]
    assert [done.splits["val"].target_ids[i] for i in done.splits["val"].relevant[2]] == [
        "skill/1", "skill/3",
    ]  # fmt: skip


def test_another_release_finds_titles_by_uri(mirror: Path, tmp_path: Path) -> None:
    rows = [
        {"conceptUri": f"{URI}occupation/0", "preferredLabel": "baker of bread", "altLabels": ""},
        {"conceptUri": f"{URI}occupation/9", "preferredLabel": "data analyst", "altLabels": ""},
    ]
    folder = tmp_path / "esco"
    write_esco(folder)
    write_table(folder / "occupations_en.csv", rows)
    done = import_hub_task(
        hub_task("jobnorm"), tmp_path / "out", mirror=mirror,
        esco=read_esco(folder, version="9.9.9"),
    )  # fmt: skip
    assert done.splits["val"].targets == ["baker of bread", "data analyst"]
    assert done.splits["val"].relevant == [[0], [1]]
    assert done.left_out["titles whose occupation ESCO 9.9.9 lacks"] == 2


def house(mirror: Path, name: str, rows: list[dict[str, Any]]) -> None:
    write_table(mirror / "TechWolf" / "skill-extraction-house" / name, rows)


def broken_parquet(mirror: Path) -> None:
    house(mirror, "test.parquet", sentences(("a", "b")))
    path = mirror / "TechWolf" / "skill-extraction-house" / "test.parquet"
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: None, "skill-extraction-house"),
        (lambda m: house(m, "train.csv", sentences(("a", "b"))), "train"),
        (lambda m: house(m, "test.csv", [{"sentence": "a", "skill": "Perl"}]),
         "house/test"),
        (lambda m: house(m, "test.jsonl", [*sentences(("a", "Perl")), {"sentence": "b"}]),
         "house/test:2"),
        (lambda m: house(m, "test.jsonl", [{"sentence": 5, "label": "Perl"}]),
         "house/test:1: expected 'sentence' to be of type str, got 5"),
        (lambda m: house(m, "test.csv", sentences(("a", "b"))), "got none among test"),
        (lambda m: house(m, "notes.txt", [{"a": "b"}]), r"copy it again|validation or test"),
        (broken_parquet, "cannot be read: .*: copy it again"),
        (lambda m: (m / "TechWolf/skill-extraction-house").mkdir(parents=True),
         "cannot be read: .*: copy it again"),
    ],
)  # fmt: skip
def test_damage_is_named(
    damage: Callable[[Path], object], message: str, data: Path, tmp_path: Path
) -> None:
    damage(tmp_path / "mirror")
    task = hub_task("skillextract_house")
    with pytest.raises(DataError, match=message):
        import_hub_task(
            task, tmp_path / "out", esco=esco_of(task, data), mirror=tmp_path / "mirror"
        )
    assert not (tmp_path / "out").exists()


def test_no_split_is_lost(data: Path, mirror: Path, tmp_path: Path) -> None:
    task, esco = hub_task("skillextract_house"), esco_of(hub_task("skillextract_house"), data)
    import_hub_task(task, tmp_path / "out", esco=esco, mirror=mirror)
    import_hub_task(task, tmp_path / "out", esco=esco, mirror=mirror)
    house(tmp_path / "other", "test.csv", sentences(("a cake", "bake cakes")))
    with pytest.raises(InputError, match="found val"):
        import_hub_task(task, tmp_path / "out", esco=esco, mirror=tmp_path / "other")
    assert read_split(tmp_path / "out", "val").task.queries[0] == "Camels"


def test_labels_outside_of_the_corpus_are_named(tmp_path: Path) -> None:
    melo = tmp_path / "Avature" / "MELO-Benchmark"
    write_table(melo / "corpus.jsonl", [{"text": "baker"}])
    write_table(
        melo / "queries.jsonl", [{"text": "a", "labels": [0]}, {"text": "b", "labels": [1]}]
    )
    (melo / "README.md").write_text(
        "---\nconfigs:\n- config_name: usa_q_en_c_en\n  data_files:\n  - split: queries\n"
        "    path: queries.jsonl\n  - split: corpus\n    path: corpus.jsonl\n---\n"
    )
    with pytest.raises(DataError, match="queries:2"):
        import_hub_task(hub_task("MELO"), tmp_path / "out", mirror=tmp_path)


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), RuntimeError("429"), TimeoutError()]
)
def test_without_a_hub_the_remedies_are_told(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DataError, match=r"SkillMatch-1K: .*hf auth login.*--from"):
        import_hub_task(hub_task("skillsim"), tmp_path / "out")


def test_an_unreachable_hub_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `datasets` itself does when it must not use the network."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"SkillMatch-1K: .*network"):
        import_hub_task(hub_task("skillsim"), tmp_path / "out")


def test_a_full_disk_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(OSError, match="No space left"):
        import_hub_task(hub_task("skillsim"), tmp_path / "out")


def test_without_datasets_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(uwe.MissingExtraError, match=r"uwe\[bench\]"):
        import_hub_task(hub_task("skillsim"), tmp_path / "out")


def test_esco_is_asked_for(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ESCO 1.0.5 .*esco="):
        import_hub_task(hub_task("jobnorm"), tmp_path / "out")
    with pytest.raises(DataError, match=r"esco/1.0.5: .* --esco"):
        esco_of(hub_task("jobnorm"), tmp_path)
    assert esco_of(hub_task("skillsim"), tmp_path) is None
    release = esco_of(hub_task("jobnorm"), data)
    assert isinstance(release, EscoRelease)
    assert release.version == "1.0.5"
    with pytest.raises(InputError, match="job2skill"):
        hub_task("job2skill")


def test_command(
    shell: Shell, data: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("data", "import", "workrb", "--from", str(mirror))
    monkeypatch.delenv("UWE_DATA", raising=False)
    out = tmp_path / "out"
    out.mkdir()
    (out / "esco").symlink_to(data / "esco")
    done = shell(*command, "--out", str(out))
    assert "MELO test: 2 queries x 4 targets, 4 judgements" in done.stdout
    assert "  left out: 1 sentences without a skill of ESCO" in done.stdout
    assert {path.name for path in (out / "workbench").iterdir()} == {t.name for t in HUB_TASKS}
    monkeypatch.setenv("UWE_DATA", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()
    done = shell(*command, "--task", "jobnorm", "--task", "skillsim", code=1)
    assert "uwe: error: jobnorm: " in done.stderr
    assert "expected ESCO 1.0.5" in done.stderr
    assert "skillsim test: " in done.stdout
    done = shell(*command, "--task", "jobnorm", "--esco", str(data / "esco" / "1.1.0"))
    assert "  targets are ESCO 1.1.0; WorkRB has 1.0.5" in done.stdout
    assert "jobnorm val: 2 queries x 4 targets, 3 judgements" in done.stdout
    (made,) = json.loads(shell(*command, "--task", "skillsim", "--json").stdout)
    assert (made["name"], made["splits"]["test"]["targets"], made["esco"]) == ("skillsim", 30, None)
    assert "got 'job2skill'" in shell.error(*command, "--task", "job2skill")


@pytest.mark.slow
def test_real_sentences_come_out_as_they_are(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HOUSE set, back in the hub's form, with the whole of ESCO 1.1.0."""
    folder = data_folder / "workbench" / "skillextract_house"
    known = read_split(folder, "val").task
    pairs = [
        (query, known.targets[index])
        for query, relevant in zip(known.queries, known.relevant, strict=True)
        for index in relevant
    ]
    rows = sentences(*reversed(pairs), ("nothing here", "UNDERSPECIFIED"))
    house(tmp_path / "mirror", "validation.csv", rows)
    task = hub_task("skillextract_house")
    done = import_hub_task(
        task, tmp_path / "out", esco=esco_of(task, data_folder), mirror=tmp_path / "mirror"
    )
    assert done.splits["val"] == known
