"""Scores of all left nodes against all right nodes, and their gradients, in bounded memory.

A batch of 512 x 512 texts of 64 tokens has a thousand million pairs of tokens: no tensor of them is
ever held. Texts are grouped by length into tiles; a tile's dot products are made, used and dropped,
and made again in the backward pass, which follows from the definitions by hand:

    s = mean_i sum_j A_ij c_ij,   A = softmax_j(a_ij / t),   c_ij = a_ij / (|q_i| |y_j|)
    ds/dc_ij = A_ij / m,   ds/da_ij = A_ij (c_ij - r_i) / (m t),   r_i = sum_j A_ij c_ij

and likewise over i. Its twin that reads like the definitions is `uwe.model.similarity`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from uwe.scorer import Scorer, checked_scorer

TILE_PAIRS = 1 << 20
"""Most pairs of tokens of a tile by default: 4 MB a tensor, of which some ten are alive at once."""


@dataclass(frozen=True, eq=False)
class Ragged:
    """Token vectors of several texts, one after the other, in torch."""

    values: torch.Tensor  # (tokens, d), floating: raw token vectors
    lengths: list[int]  # how many tokens each text has, all >= 1; they add up to `tokens`

    def pooled(self) -> torch.Tensor:
        """(texts, d): the mean of each text's raw vectors."""
        lengths = torch.tensor(self.lengths, device=self.values.device)
        texts = torch.arange(len(self.lengths), device=self.values.device)
        sums = self.values.new_zeros((len(self.lengths), self.values.shape[1]))
        sums = sums.index_add(0, texts.repeat_interleave(lengths), self.values)
        return sums / lengths[:, None]

    def selected(self, texts: list[int]) -> Ragged:
        """Some of the texts, in the order given; gradients flow back."""
        starts, start = [], 0
        for length in self.lengths:
            starts.append(start)
            start += length
        lengths = [self.lengths[text] for text in texts]
        rows = torch.cat([torch.arange(starts[t], starts[t] + self.lengths[t]) for t in texts])
        return Ragged(self.values.index_select(0, rows.to(self.values.device)), lengths)


def tiled_scores(
    queries: Ragged,
    targets: Ragged,
    scorer: Scorer,
    *,
    tile_pairs: int = TILE_PAIRS,
) -> torch.Tensor:
    """Scores of all queries against all targets, differentiable: (U, V), of the vectors' type.

    The U queries and V targets have one width, type and device. At most `tile_pairs` pairs of
    tokens are held at once. Gradients equal those of the twin within rounding.
    """
    scorer = checked_scorer(scorer)
    if scorer.name == "pooled":
        unit = torch.nn.functional.normalize
        return unit(queries.pooled(), dim=-1) @ unit(targets.pooled(), dim=-1).T
    scores: torch.Tensor = _Tiled.apply(
        queries.values, targets.values, queries.lengths, targets.lengths, scorer, tile_pairs
    )
    return scores


def graph_scores(
    left: Ragged, right: Ragged, scorer: Scorer, *, queries: str, tile_pairs: int = TILE_PAIRS
) -> torch.Tensor:
    """(left, right): `tiled_scores` of a graph's nodes, of which `queries`, left or right, ask."""
    if queries == "left":
        return tiled_scores(left, right, scorer, tile_pairs=tile_pairs)
    return tiled_scores(right, left, scorer, tile_pairs=tile_pairs).T


class _Tiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: torch.Tensor,
        targets: torch.Tensor,
        query_lengths: list[int],
        target_lengths: list[int],
        scorer: Scorer,
        tile_pairs: int,
    ) -> torch.Tensor:
        ctx.save_for_backward(queries, targets)
        ctx.lengths, ctx.scorer = (query_lengths, target_lengths), scorer
        ctx.tile_pairs = tile_pairs
        scores = queries.new_empty((len(query_lengths), len(target_lengths)))
        for left, right in _tiles(queries, targets, ctx.lengths, tile_pairs):
            tile = _Tile(left, right, scorer)
            sides = [weight * tile.scores(side) for side, weight in _weights(scorer, left)]
            scores[left.texts[:, None], right.texts] = (
                torch.stack(sides).sum(dim=0).to(scores.dtype)
            )
        return scores

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (upstream,) = gradients
        queries, targets = ctx.saved_tensors
        # Sums over many tiles: in float32 also where the vectors are bfloat16.
        wide = torch.promote_types(queries.dtype, torch.float32)
        to_queries = torch.zeros_like(queries, dtype=wide)
        to_targets = torch.zeros_like(targets, dtype=wide)
        for left, right in _tiles(queries, targets, ctx.lengths, ctx.tile_pairs):
            tile = _Tile(left, right, ctx.scorer)
            given = upstream[left.texts[:, None], right.texts].to(tile.dots.dtype)
            to_dots, to_cosines = tile.gradients(
                {side: weight * given for side, weight in _weights(ctx.scorer, left)}
            )
            for side, other, into, transposed in (
                (left, right, to_queries, False),
                (right, left, to_targets, True),
            ):
                _accumulate(into, side, other, tile, to_dots, to_cosines, transposed=transposed)
        given_back = (to_queries.to(queries.dtype), to_targets.to(targets.dtype))
        return (*given_back, None, None, None, None)


def _weights(scorer: Scorer, queries: _Side) -> list[tuple[str, torch.Tensor | float]]:
    """Which softmaxes a scorer takes, and how much each counts, () or (u, 1) in a tile.

    `max` is a softmax at temperature 0.
    """
    if scorer.name == "soft":
        weight = scorer.query_weight(queries.lengths[:, None])
        return [("target", 1.0 - weight), ("query", weight)]
    return [(scorer.name.removeprefix("soft_"), 1.0)]


@dataclass(frozen=True, eq=False)
class _Side:
    """Texts of similar length, padded with zeros to the longest of them."""

    texts: torch.Tensor  # (texts,), int64: which ones
    vectors: torch.Tensor  # (texts, tokens, d), raw
    inverse_norms: torch.Tensor  # (texts, tokens); 0 for padding
    rows: torch.Tensor  # (texts, tokens), int64: where each vector came from; 0 for padding
    mask: torch.Tensor | None  # (texts, tokens), bool; None if there is no padding
    lengths: torch.Tensor  # (texts,), floating


class _Tile:
    """All pairs of tokens of some queries and some targets: tensors of shape (u, m, v, n)."""

    def __init__(self, left: _Side, right: _Side, scorer: Scorer) -> None:
        self.left, self.right, self.temperature = left, right, scorer.temperature or 1.0
        (u, m, width), (v, n, _) = left.vectors.shape, right.vectors.shape
        flat = left.vectors.reshape(u * m, width) @ right.vectors.reshape(v * n, width).T
        self.dots = flat.view(u, m, v, n).to(torch.promote_types(flat.dtype, torch.float32))
        self.cosines = (
            self.dots * left.inverse_norms[:, :, None, None] * right.inverse_norms[None, None]
        )

    def scores(self, side: str) -> torch.Tensor:
        """(u, v)."""
        # Padding has cosine 0, so it adds nothing to the sum; the mean is over real tokens.
        found = (self._attention(side) * self.cosines).sum(dim=(1, 3))
        return found / self._count(side)

    def gradients(self, upstream: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients for the dots inside the softmax, and for the cosines."""
        to_dots = torch.zeros_like(self.dots)
        to_cosines = torch.zeros_like(self.dots)
        for side, given in upstream.items():
            attention = self._attention(side)
            weighted = attention * (given / self._count(side))[:, None, :, None]
            # Attention of padded rows is not zero, but their vectors and norms are, so what they
            # give is dropped in _accumulate.
            to_cosines += weighted
            if side == "max":
                continue
            axis = 3 if side == "target" else 1
            expected = (attention * self.cosines).sum(dim=axis, keepdim=True)
            to_dots += weighted * (self.cosines - expected) / self.temperature
        return to_dots, to_cosines

    def _attention(self, side: str) -> torch.Tensor:
        """The softmax over the target's tokens, or the query's; of `max`, 1 at the best token."""
        if side == "query":
            logits, axis, mask = self.dots / self.temperature, 1, self.left.mask
        else:
            logits = self.cosines if side == "max" else self.dots / self.temperature
            axis, mask = 3, self.right.mask
        if mask is not None:
            shape = (slice(None), slice(None), None, None) if axis == 1 else (None, None)
            logits = logits.masked_fill(~mask[shape], -torch.inf)
        if side == "max":
            best = logits.argmax(dim=axis, keepdim=True)
            return torch.zeros_like(logits).scatter_(axis, best, 1.0)
        return logits.softmax(dim=axis)

    def _count(self, side: str) -> torch.Tensor:
        """Over how many tokens each pair's mean runs, to be broadcast to (u, v)."""
        if side == "query":
            return self.right.lengths[None, :]
        return self.left.lengths[:, None]


def _accumulate(
    into: torch.Tensor,
    side: _Side,
    other: _Side,
    tile: _Tile,
    to_dots: torch.Tensor,
    to_cosines: torch.Tensor,
    *,
    transposed: bool,
) -> None:
    """Add a tile's gradients for the vectors of one of its sides."""
    # A cosine is a dot product over two norms. Through the dot product:
    scaled = (
        to_dots
        + to_cosines
        * tile.left.inverse_norms[:, :, None, None]
        * tile.right.inverse_norms[None, None]
    )
    texts, tokens, width = side.vectors.shape
    flat = scaled.reshape(-1, scaled.shape[2] * scaled.shape[3])
    # A vector's own norm: d(1/|q|) = -q / |q|^3, so all its cosines pull it back along itself.
    lost = (to_cosines * tile.cosines).sum(dim=(0, 1) if transposed else (2, 3))
    other_flat = other.vectors.reshape(-1, width).to(flat.dtype)
    gradient = (flat.T if transposed else flat) @ other_flat
    gradient -= (lost * side.inverse_norms**2).reshape(-1, 1) * side.vectors.reshape(-1, width)
    if side.mask is not None:
        gradient = gradient * side.mask.reshape(-1, 1)
    into.index_add_(0, side.rows.reshape(texts * tokens), gradient.to(into.dtype))


def _tiles(
    queries: torch.Tensor,
    targets: torch.Tensor,
    lengths: tuple[list[int], list[int]],
    tile_pairs: int,
) -> Iterator[tuple[_Side, _Side]]:
    tokens = max(1, int(tile_pairs**0.5))
    left = [_side(queries, lengths[0], group) for group in _groups(lengths[0], tokens)]
    right = [_side(targets, lengths[1], group) for group in _groups(lengths[1], tokens)]
    for one in left:
        for other in right:
            yield one, other


def _groups(lengths: list[int], tokens: int) -> Iterator[list[int]]:
    """Texts of similar length together: at most `tokens` with padding, of which at most a third."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    group: list[int] = []
    held = 0
    for text in order:
        length = lengths[text]
        padded = (len(group) + 1) * length
        if group and (padded > tokens or (padded - held - length) * 3 > padded):
            yield group
            group, held = [], 0
        group.append(text)
        held += length
    yield group


def _side(values: torch.Tensor, lengths: list[int], texts: list[int]) -> _Side:
    device = values.device
    ends = torch.tensor(lengths, device=device).cumsum(0)
    chosen = torch.tensor(texts, device=device)
    sizes = torch.tensor([lengths[text] for text in texts], device=device)
    steps = torch.arange(max(lengths[text] for text in texts), device=device)
    mask = steps[None, :] < sizes[:, None]
    rows = (ends[chosen] - sizes)[:, None] + steps[None, :]
    full = bool(mask.all())
    rows = rows if full else rows.masked_fill(~mask, 0)
    vectors = values[rows]
    if not full:
        vectors = vectors.masked_fill(~mask[..., None], 0.0)
    wide = torch.promote_types(values.dtype, torch.float32)
    norms = vectors.norm(dim=-1, dtype=wide)
    # A zero vector has cosine 0 with anything, as in the twin.
    inverse = torch.where(norms > 0, 1.0 / norms.clamp(min=torch.finfo(wide).tiny), 0.0)
    return _Side(chosen, vectors, inverse, rows, None if full else mask, sizes.to(wide))
