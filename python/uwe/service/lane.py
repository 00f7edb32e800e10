"""A queue in front of one thread: jobs that wait and have the same key run together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

from uwe.errors import UweError

_LINGER_SECONDS = 0.003
"""How long a batch waits for as many jobs as the last one had: a large batch costs less a job."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


class FullError(UweError):
    """The queue is full. Remedy: try again later."""


class StoppedError(UweError):
    """The service is stopping. Remedy: try again, at another one or later."""


@dataclass(eq=False)
class _Job(Generic[K, T, R]):
    key: K
    items: Sequence[T]
    result: asyncio.Future[list[R]] = field(compare=False)


class Lane(Generic[K, T, R]):
    """Runs jobs in the order of their coming, on one thread of its own.

    While one batch runs, others gather. A batch waits a moment for as many jobs as ran before it:
    a lone caller waits for nobody, and a busy lane has large batches. A job that is cancelled while
    it waits is not run; a batch whose jobs are all cancelled ends at its next result.

    Args:
        run: Takes a key and the items of all jobs that run together, and makes a result for each
            item; called on the lane's thread.
        together: Most items of a batch, unless one job has more.
        waiting: Most items that wait.
        on_batch: Told the number of items of each batch, on the event loop.
        on_waiting: Told the number of items that wait whenever it changes, on the event loop.
    """

    def __init__(
        self,
        run: Callable[[K, list[T]], Iterable[R]],
        *,
        together: int,
        waiting: int,
        on_batch: Callable[[int], None] = lambda _: None,
        on_waiting: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._together = together
        self._most_waiting = waiting
        self._on_batch = on_batch
        self._on_waiting = on_waiting
        self._jobs: deque[_Job[K, T, R]] = deque()
        self._waiting = 0
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="uwe-lane")
        self._stopped = False
        self._last = 1
        """Jobs of the batch before."""
        self._enough = asyncio.Event()

    async def submit(self, key: K, items: Sequence[T]) -> list[R]:
        """The result of each item; FullError if too many wait, StoppedError after `stop`."""
        if self._stopped:
            raise StoppedError("the service is stopping: try again")
        if self._jobs and self._waiting + len(items) > self._most_waiting:
            raise FullError(f"{self._waiting} texts wait already: try again in a moment")
        job = _Job[K, T, R](key, items, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._count(len(items))
        if len(self._jobs) >= self._last:
            self._enough.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            return await job.result
        except asyncio.CancelledError:
            with suppress(ValueError):  # it runs, or has run
                self._jobs.remove(job)
                self._count(-len(items))
            raise

    async def stop(self) -> None:
        """Take nothing more, and return when everything that was taken is done."""
        self._stopped = True
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    def _count(self, more: int) -> None:
        self._waiting += more
        self._on_waiting(self._waiting)

    async def _work(self) -> None:
        try:
            while self._jobs:
                if len(self._jobs) < self._last and not self._stopped:
                    self._enough.clear()
                    with anyio.move_on_after(_LINGER_SECONDS):
                        await self._enough.wait()
                jobs = self._next()
                self._last = max(1, len(jobs))
                if jobs:
                    await self._run_together(jobs)
        finally:
            self._worker = None

    def _next(self) -> list[_Job[K, T, R]]:
        """The first job that waits, and others with its key, as many as fit into a batch."""
        taken: list[_Job[K, T, R]] = []
        left: deque[_Job[K, T, R]] = deque()
        count = 0
        for job in self._jobs:
            if job.result.done():  # whoever asked has gone
                self._count(-len(job.items))
            elif not taken or (
                job.key == taken[0].key and count + len(job.items) <= self._together
            ):
                taken.append(job)
                count += len(job.items)
            else:
                left.append(job)
        self._jobs = left
        self._count(-count)
        return taken

    async def _run_together(self, jobs: list[_Job[K, T, R]]) -> None:
        items = [item for job in jobs for item in job.items]
        self._on_batch(len(items))
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._thread, self._results, jobs, items)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if len(jobs) > 1:  # whose fault it is shows when each runs alone
                for job in jobs:
                    if not job.result.done():
                        await self._run_together([job])
            elif not jobs[0].result.done():
                jobs[0].result.set_exception(error)
            return
        done = 0
        for job in jobs:
            if not job.result.done():
                job.result.set_result(results[done : done + len(job.items)])
            done += len(job.items)

    def _results(self, jobs: list[_Job[K, T, R]], items: list[T]) -> list[R]:
        """The results of a batch, as many as somebody waits for."""
        found: list[R] = []
        for result in self._run(jobs[0].key, items):
            found.append(result)
            if all(job.result.done() for job in jobs):  # whoever asked has gone
                break
        return found
