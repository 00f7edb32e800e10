"""The fastest hand-written torch we found against a prepared target space, one query at a time.

What a careful user of torch would write without this library: two threads, float32, CPU, targets
grouped by equal token count (no padding), one matrix product over all groups, softmaxes on views.
Every choice below won a timing among its alternatives; `layout` and `compiled` stay selectable.

- Soft scorers multiply *raw* target tokens with a query prescaled by ``norm / temperature``: the
  product is the logits. Cosines are never formed: ``cos_ij = logit_ij * w_i * v_j``, and the two
  factors leave the sum over cells as one matrix-vector product and one scaling of token sums.
- Inside a group tokens lie position-major, ``(n, T_n, d)``: token sums are additions of long rows.
- Layout ``"query_last"`` gives cells ``(n, T_n, m)``, ``"target_last"`` ``(m, n, T_n)``. "auto"
  takes target_last, save for long queries whose softmax runs over the query (uncompiled) or whose
  product is not packed.
- ``packed`` lets MKL reorder the tokens beforehand, one copy per query length seen: the first call
  with a new length pays for it, so warm up. ``compiled`` fuses what follows the product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Factors = tuple[Tensor, Tensor]
FloatArray = npt.NDArray[np.float32]
SCORERS = ("soft_target", "soft_query", "soft", "max", "pooled")
LAYOUTS = ("auto", "query_last", "target_last")
LONG_QUERY, LONG_UNPACKED_QUERY = 48, 16


@dataclass(frozen=True)
class Group:
    """Targets of one length: rows of the token matrix and places in the grouped order."""

    length: int
    count: int
    tokens: slice
    targets: slice


def soft_cells(logits: Tensor, scorer: str, target_axis: int, query_axis: int) -> Tensor:
    """Attention weight times logit for every cell, weighted so that summing the cells scores."""
    m, n = logits.shape[query_axis], logits.shape[target_axis]
    if scorer == "soft_target":
        return torch.softmax(logits, target_axis).mul_(logits).mul_(1 / m)
    if scorer == "soft_query":
        return torch.softmax(logits, query_axis).mul_(logits).mul_(1 / n)
    weights = torch.softmax(logits, target_axis).mul_(0.5 / m)
    return weights.add_(torch.softmax(logits, query_axis), alpha=0.5 / n).mul_(logits)


def soft_group(logits: Tensor, factors: Factors, scorer: str, query_last: bool) -> Tensor:
    """Score one group from its logits, ``(n, T, m)`` or ``(m, n, T)``; factors undo the norms."""
    query_factor, target_factor = factors
    if query_last:
        cells = soft_cells(logits, scorer, 0, 2)
        tokens = cells @ query_factor
    else:
        cells = soft_cells(logits, scorer, 1, 0)
        m, n, count = cells.shape
        tokens = (query_factor @ cells.view(m, n * count)).view(n, count)
    return tokens.mul_(target_factor).sum(0)


def soft_group_fused(logits: Tensor, factors: Factors, scorer: str, query_last: bool) -> Tensor:
    """Score one group like `soft_group`, out of place, for torch.compile to fuse into loops."""
    query_factor, target_factor = factors
    target_axis, query_axis = (0, 2) if query_last else (1, 0)
    m, n = logits.shape[query_axis], logits.shape[target_axis]
    if query_last:
        values = logits * query_factor * target_factor[:, :, None]
    else:
        values = logits * query_factor[:, None, None] * target_factor
    axes = (target_axis, query_axis)
    if scorer == "soft_query":
        return (torch.softmax(logits, query_axis) * values).sum(axes) / n
    target = (torch.softmax(logits, target_axis) * values).sum(axes) / m
    if scorer == "soft_target":
        return target
    return 0.5 * (target + (torch.softmax(logits, query_axis) * values).sum(axes) / n)


class TorchPeer:
    """A target space prepared once and scored against one query at a time."""

    def __init__(
        self,
        units: FloatArray,
        norms: FloatArray,
        offsets: npt.NDArray[np.int64],
        *,
        layout: str = "auto",
        packed: bool = True,
        compiled: bool = False,
        threads: int = 2,
    ) -> None:
        """Group the targets by token count and keep raw, unit and pooled forms contiguous."""
        if layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {LAYOUTS}, got {layout!r}")
        torch.set_num_threads(threads)
        self._layout, self._packed, self._compiled = layout, packed, compiled
        lengths = np.diff(offsets)
        order, gather = np.argsort(lengths, kind="stable"), []
        self._groups: list[Group] = []
        token, target = 0, 0
        for n in np.unique(lengths).tolist():
            count = int((lengths == n).sum())
            members = order[target : target + count]
            gather.append((offsets[members][None, :] + np.arange(n)[:, None]).ravel())
            tokens, targets = slice(token, token + n * count), slice(target, target + count)
            self._groups.append(Group(n, count, tokens, targets))
            token, target = tokens.stop, targets.stop
        index = np.concatenate(gather)
        grouped_norms = torch.from_numpy(norms[index])
        self._order = torch.from_numpy(order)
        self._units = torch.from_numpy(units[index])
        self._raw = self._units * grouped_norms[:, None]
        self._packs: dict[tuple[bool, int], Tensor] = {}
        self._inverse_norms = grouped_norms.reciprocal()
        sums = np.add.reduceat(units.astype(np.float64) * norms[:, None], offsets[:-1], axis=0)
        sizes = np.linalg.norm(sums, axis=1, keepdims=True)
        pooled = np.divide(sums, sizes, out=np.zeros_like(sums), where=sizes > 0)
        self._pooled = torch.from_numpy(pooled.astype(np.float32))
        self._score_group: Callable[..., Tensor] = soft_group
        if compiled:
            torch._dynamo.config.recompile_limit = 64
            self._score_group = torch.compile(soft_group_fused, dynamic=True)

    def scores(
        self, query_units: FloatArray, query_norms: FloatArray, scorer: str, temperature: float
    ) -> FloatArray:
        """Score every target for one query, in the original order of the targets."""
        if scorer not in SCORERS:
            raise ValueError(f"scorer must be one of {SCORERS}, got {scorer!r}")
        # inference_mode was timed too: no difference beyond noise.
        with torch.no_grad():
            units, norms = torch.from_numpy(query_units), torch.from_numpy(query_norms)
            if scorer == "pooled":
                mean = norms @ units
                size = torch.linalg.vector_norm(mean)
                unit = mean / size if float(size) > 0 else torch.zeros_like(mean)
                return (self._pooled @ unit).numpy()
            last = self._query_last(len(norms), scorer)
            if scorer == "max":
                grouped = self._max(units, last)
            else:
                grouped = self._soft(units, norms / temperature, scorer, last)
            return torch.empty_like(grouped).index_copy_(0, self._order, grouped).numpy()

    def _query_last(self, m: int, scorer: str) -> bool:
        if self._layout != "auto":
            return self._layout == "query_last"
        if not self._packed:
            return m >= LONG_UNPACKED_QUERY
        return m >= LONG_QUERY and scorer in ("soft_query", "soft") and not self._compiled

    def product(self, query: Tensor, raw: bool, query_last: bool) -> Tensor:
        """Multiply the query with all target tokens at once: ``(N, m)`` or ``(m, N)``."""
        tokens = self._raw if raw else self._units
        if query_last:
            return tokens @ query.t().contiguous()
        if self._packed:
            m = len(query)
            if (raw, m) not in self._packs:
                pack = torch.ops.mkl._mkl_reorder_linear_weight
                self._packs[raw, m] = pack(tokens, m)
            multiply = torch.ops.mkl._mkl_linear
            out: Tensor = multiply(query, self._packs[raw, m], tokens, None, m)
            return out
        return query @ tokens.t()

    def _cells(self, product: Tensor, group: Group, query_last: bool) -> Tensor:
        if query_last:
            return product[group.tokens].view(group.length, group.count, -1)
        return product[:, group.tokens].view(-1, group.length, group.count)

    def _max(self, units: Tensor, query_last: bool) -> Tensor:
        product = self.product(units, False, query_last)
        out = torch.empty(len(self._order))
        for group in self._groups:
            best = self._cells(product, group, query_last).amax(0 if query_last else 1)
            torch.mean(best, 1 if query_last else 0, out=out[group.targets])
        return out

    def _soft(self, units: Tensor, scale: Tensor, scorer: str, query_last: bool) -> Tensor:
        product = self.product(units * scale[:, None], True, query_last)
        query_factor = scale.reciprocal()
        out = torch.empty(len(self._order))
        for group in self._groups:
            cells = self._cells(product, group, query_last)
            factor = self._inverse_norms[group.tokens].view(group.length, group.count)
            out[group.targets] = self._score_group(
                cells, (query_factor, factor), scorer, query_last
            )
        return out
