"""The skill head in NumPy: the network that torch defines, and what it does with other files."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tiny_head import random_weights
from uwe.encoder.tokens import TokenVectors
from uwe.errors import ModelError
from uwe.extraction.skill_head import SHAPES, Marks, SkillHead, marked_spans, token_shapes

DIM = 7
FIELDS = ("tokens", "begins", "asks", "asks_alone")
Weights = dict[str, NDArray[np.float32]]
Input = tuple[TokenVectors, NDArray[np.float32], NDArray[np.int64]]


def head_of(folder: Path, weights: Weights, dim: int = DIM) -> SkillHead:
    np.savez(folder / "head.npz", **weights)
    return SkillHead(folder / "head.npz", dim=dim)


def texts_of(lines: list[int], lengths: NDArray[np.int64], seed: int = 0) -> Input:
    """Random tokens of texts with so many lines each."""
    random = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = random.standard_normal((offsets[-1], DIM)).astype(np.float32) * 4
    shapes = (random.random((offsets[-1], SHAPES)) < 0.3).astype(np.float32)
    return TokenVectors(values, offsets), shapes, np.repeat(np.arange(len(lines)), lines)


def in_torch(weights: Weights, given: Input, width: int, layers: int) -> Marks:
    """What `HeadNetwork` makes of the same weights and lines."""
    torch = pytest.importorskip("torch")
    from uwe.training.skill_head import HeadNetwork, HeadRecipe

    vectors, shapes, documents = given
    hidden, line = len(weights["in.bias"]), len(weights["line.bias"])
    recipe = HeadRecipe(hidden=hidden, line=line, width=width, layers=layers)
    network = HeadNetwork(DIM, recipe).eval()
    state = {f"layers.{name}": torch.from_numpy(array) for name, array in weights.items()}
    missing, unknown = network.load_state_dict(state, strict=False)
    assert set(missing) == {"layers.out_alone.weight", "layers.out_alone.bias"}
    assert not unknown
    counts = np.diff(vectors.offsets)
    mask = np.arange(counts.max()) < counts[:, None]
    padded = np.full((*mask.shape, DIM + SHAPES), 3, dtype=np.float32)
    padded[mask] = np.concatenate([vectors.values, shapes], axis=1)
    with torch.no_grad():
        _, out, alone, asks = network(
            torch.from_numpy(padded[..., :DIM]),
            torch.from_numpy(padded[..., DIM:]),
            torch.from_numpy(mask.astype(np.float32)),
            torch.from_numpy(documents),
        )
    odds = out.softmax(-1).numpy()[mask]
    return Marks(1 - odds[..., 0], odds[..., 1], asks.numpy(), alone.numpy())


@pytest.mark.parametrize(
    ("width", "layers"), [(5, 2), (3, 11), (1, 1)], ids=["as trained", "deep", "narrow"]
)
def test_numpy_and_torch_agree(tmp_path: Path, width: int, layers: int) -> None:
    weights = random_weights(DIM, hidden=12, line=9, width=width, layers=layers)
    lines = [1, 2, 30, 1, 1, 9, 4]
    lengths = np.random.default_rng(1).integers(1, 41, size=sum(lines))
    lengths[[0, 1, 5, 33, 34]] = 1
    given = texts_of(lines, lengths)
    found, expected = head_of(tmp_path, weights)(*given), in_torch(weights, given, width, layers)
    for field in FIELDS:
        wanted = getattr(expected, field)
        assert wanted.std() > 0.05  # weights at which every part of the network shows
        np.testing.assert_allclose(getattr(found, field), wanted, atol=1e-4, err_msg=field)
        assert getattr(found, field).dtype == np.float32


def test_a_line_longer_than_what_is_convolved_at_once(tmp_path: Path) -> None:
    weights = random_weights(DIM)
    given = texts_of([3, 1], np.array([2, 1500, 1, 700]))
    found, expected = head_of(tmp_path, weights)(*given), in_torch(weights, given, 3, 2)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), atol=1e-4)


def test_a_line_whose_vectors_cancel_out(tmp_path: Path) -> None:
    weights = random_weights(DIM)
    vectors, shapes, documents = texts_of([3], np.array([4, 2, 3]))
    vectors.values[4] = -vectors.values[5]
    given = vectors, shapes, documents
    found, expected = head_of(tmp_path, weights)(*given), in_torch(weights, given, 3, 2)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), atol=1e-4)


def test_lines_may_differ_by_much_in_attention(tmp_path: Path) -> None:
    weights = random_weights(DIM)
    weights["attention.weight"] *= 100
    given = texts_of([20], np.random.default_rng(3).integers(1, 5, size=20))
    found, expected = head_of(tmp_path, weights)(*given), in_torch(weights, given, 3, 2)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), atol=1e-4)


def test_a_text_is_read_without_the_others(tmp_path: Path) -> None:
    head = head_of(tmp_path, random_weights(DIM))
    lines = [1, 12, 3, 40, 1]
    vectors, shapes, documents = texts_of(lines, np.random.default_rng(2).integers(1, 41, size=57))
    together = head(vectors, shapes, documents)
    for text in range(len(lines)):
        rows = np.flatnonzero(documents == text)
        first, end = int(rows[0]), int(rows[-1]) + 1
        own = slice(vectors.offsets[first], vectors.offsets[end])
        alone = head(vectors.part(first, end), shapes[own], documents[first:end])
        for field in FIELDS:
            part = getattr(together, field)[slice(first, end) if "asks" in field else own]
            np.testing.assert_allclose(getattr(alone, field), part, atol=1e-5)


def test_a_line_is_read_with_those_around_it(tmp_path: Path) -> None:
    head = head_of(tmp_path, random_weights(DIM))
    vectors, shapes, _ = texts_of([3], np.array([5, 4, 6]))
    together, apart = (head(vectors, shapes, np.array(d)) for d in ([0, 0, 0], [0, 1, 2]))
    np.testing.assert_array_equal(together.asks_alone, apart.asks_alone)
    assert (together.asks != apart.asks).all()
    assert (together.tokens != apart.tokens).any(axis=1).all()


def without(name: str) -> Callable[[Weights], object]:
    return lambda weights: weights.pop(name)


def with_(name: str, array: object) -> Callable[[Weights], object]:
    return lambda weights: weights.update({name: np.asarray(array)})


@pytest.mark.parametrize(
    "damage",
    [
        *(without(name) for name in random_weights(DIM)),
        without("token.1.weight"),
        with_("token.2.weight", np.zeros((6, 6, 3))),
        with_("more", np.zeros(3)),
        with_("in.weight", np.zeros((6, DIM + SHAPES + 1))),
        with_("in.bias", np.zeros(())),
        with_("in.bias", np.zeros(1)),
        with_("out.weight", np.zeros((12, 6))),
        with_("alone.weight", np.zeros((2, 5))),
        with_("alone.bias", [np.nan]),
        with_("around.weight", np.full((6, 5), np.inf)),
        with_("around.weight", np.full((6, 5), 1e300)),
        with_("in_context.bias", ["a"]),
        with_("in_context.bias", [1j]),
        with_("in_context.bias", np.array([{}], dtype=object)),
        *(
            lambda weights, width=width: weights.update(random_weights(DIM, width=width))
            for width in (0, 2)
        ),
    ],
)
def test_a_head_with_other_arrays_is_refused(
    tmp_path: Path, damage: Callable[[Weights], object]
) -> None:
    weights = random_weights(DIM)
    head_of(tmp_path, weights)
    damage(weights)
    with np.errstate(all="ignore"), pytest.raises(ModelError, match=r"head\.npz"):
        head_of(tmp_path, weights)


def test_a_head_for_vectors_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"in\.weight"):
        head_of(tmp_path, random_weights(DIM), dim=DIM + 1)


class Trap:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return pytest.fail, ("the pickle was run",)


def packed(array: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"weights", packed(np.zeros(3)), pickle.dumps(Trap()), b"\x80\x04."],
    ids=["empty", "zip", "text", "one array", "a pickle", "half a pickle"],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "head.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"head\.npz.*uwe train skill-head"):
        SkillHead(path, dim=DIM)


def test_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(ModelError):
            SkillHead(path, dim=DIM)


def test_a_pickle_among_the_arrays_is_not_run(tmp_path: Path) -> None:
    weights = random_weights(DIM) | {"in.bias": np.array([Trap()], dtype=object)}
    with pytest.raises(ModelError):
        head_of(tmp_path, weights)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    head_of(tmp_path, random_weights(DIM))
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 193):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            SkillHead(path, dim=DIM)
    random = np.random.default_rng(0)
    refused = 0
    for at in random.integers(len(whole), size=150).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            SkillHead(path, dim=DIM)
        except ModelError:
            refused += 1
    assert refused > 100


@st.composite
def words_with_odds(draw: st.DrawFn) -> tuple[list[int], bool, list[float], list[float]]:
    """Pieces of each word, whether special tokens surround them, and two odds of each token."""
    pieces = draw(st.lists(st.integers(1, 3), max_size=8))
    special = draw(st.booleans()) or not pieces
    odds = st.sampled_from([0.0, 0.2, 0.3, 0.5, 0.6, 0.9])
    count = sum(pieces) + 2 * special
    lists = st.lists(odds, min_size=count, max_size=count)
    return pieces, special, draw(lists), draw(lists)


@given(words_with_odds())
def test_spans_are_words_in_a_row(case: tuple[list[int], bool, list[float], list[float]]) -> None:
    pieces, special, tokens, begins = case
    shapes = np.zeros((len(tokens), SHAPES), dtype=np.float32)
    if special:
        shapes[[0, -1], 6] = 1
    expected: list[tuple[int, int]] = []
    at, before = int(special), False
    for count in pieces:
        shapes[at + 1 : at + count, 4] = 1
        inside = tokens[at] >= 0.5
        if inside and before and begins[at] <= tokens[at] / 2:
            expected[-1] = (expected[-1][0], at + count)
        elif inside:
            expected.append((at, at + count))
        at, before = at + count, inside
    assert marked_spans(np.array(tokens), np.array(begins), shapes, 0.5) == expected


CAPITAL, CAPITALS, DIGIT, INNER, CONTINUES, PUNCTUATION, SPECIAL = range(SHAPES)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("baker", (0, 5), set()),
        ("Baker", (0, 5), {CAPITAL}),
        ("Baker", (2, 5), {CAPITAL, CONTINUES}),
        ("A", (0, 1), {CAPITAL}),
        ("use SQL", (4, 7), {CAPITAL, CAPITALS}),
        ("web2 Python", (0, 4), {DIGIT}),
        ("H2O", (0, 3), {CAPITAL, CAPITALS, DIGIT}),
        ("JavaScript", (0, 4), {CAPITAL, INNER}),
        ("JavaScript", (4, 10), {CAPITAL, INNER, CONTINUES}),
        ("iOS", (0, 3), {INNER}),
        ("ÉCOLE", (0, 5), {CAPITAL, CAPITALS}),
        ("(SQL", (0, 1), {CAPITAL, CAPITALS, PUNCTUATION}),
        ("(SQL", (1, 4), {CAPITAL, CAPITALS}),
        ("know ((SQL", (7, 10), {CAPITAL, CAPITALS}),
        ("SQL,", (0, 3), {CAPITAL, CAPITALS}),
        ("SQL,", (3, 4), {CAPITAL, CAPITALS, CONTINUES, PUNCTUATION}),
        ("C++", (0, 1), {CAPITAL}),
        ("bake — sell", (5, 6), {PUNCTUATION}),
        ("bake — sell", (7, 11), set()),
        ("Baker", (0, 0), {SPECIAL}),
        ("Baker", (5, 5), {SPECIAL}),
        ("  Baker", (0, 1), {CAPITAL, PUNCTUATION}),
    ],
)
def test_shapes(text: str, place: tuple[int, int], expected: set[int]) -> None:
    (row,) = token_shapes([text], np.array([place]), np.array([0, 1]))
    assert set(np.flatnonzero(row).tolist()) == expected
    assert set(row.tolist()) <= {0, 1}


@given(
    st.lists(
        st.text("aB1(, \n\u2028é", min_size=1, max_size=12).filter(lambda text: text.strip()),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_lines_are_read_apart(texts: list[str], data: st.DataObject) -> None:
    places = []
    for text in texts:
        starts = data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=6))
        ends = [data.draw(st.integers(start, len(text))) for start in starts]
        places.append(np.array(list(zip(starts, ends, strict=True)), dtype=np.int64))
    offsets = np.cumsum([0, *map(len, places)])
    together = token_shapes(texts, np.concatenate(places), offsets)
    apart = [
        token_shapes([text], some, np.array([0, len(some)]))
        for text, some in zip(texts, places, strict=True)
    ]
    np.testing.assert_array_equal(together, np.concatenate(apart))
