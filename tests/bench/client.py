"""The Python client (the Rust client inside) at the jobs of convex_client_bench, as a process of
./run bench client. What is printed is that of convex-c/bench/client_bench.c.

    client.py stream DOCUMENTS COUNT GAP QUERIES | mutate COUNT | hold CLIENTS QUERIES DOCUMENTS
"""

import json
import sys
import time

from convex import ConvexClient


def now_us() -> float:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) / 1000


def cpu_us() -> float:
    return time.process_time_ns() / 1000


class Bench:
    """So many measurements, CPU and time from the first to the last."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.us: list[float] = []

    def note(self, us: float) -> None:
        if not self.us:
            self.cpu, self.began = cpu_us(), now_us()
        self.us.append(us)

    def figures(self) -> dict:
        cpu, us, between = cpu_us() - self.cpu, now_us() - self.began, self.wanted - 1
        self.us.sort()
        count = len(self.us)
        return {
            "count": count,
            "cpu_us": cpu / between,
            "us": us / between,
            "p50": self.us[count // 2],
            "p99": self.us[count * 99 // 100],
        }


def stream(url: str, documents: int, count: int, gap: int, queries: int) -> dict:
    client = ConvexClient(url)
    subscriptions = [
        client.subscribe("bench:query", {"documents": 0.0, "n": float(n)})
        for n in range(queries)
    ]
    for subscription in subscriptions:
        next(subscription)
    bench = Bench(count)
    args = {"count": float(count), "gap": float(gap)}
    client.mutation("bench:go", {**args, "documents": float(documents), "query": 0.0})
    for value in subscriptions[0]:
        if value["left"] == 2e6:  # the first, again
            continue
        bench.note(now_us() - (value["sent"] - 1e15) / 1000)
        if value["left"] == 1e6:
            return bench.figures()
    raise RuntimeError("the subscription ended")


def mutate(url: str, count: int) -> dict:
    client = ConvexClient(url)
    bench = Bench(count)
    for _ in range(count):
        called = now_us()
        client.mutation("bench:none", {})
        bench.note(now_us() - called)
    return bench.figures()


def hold(url: str, clients: int, queries: int, documents: int) -> dict:
    held = []
    for _ in range(clients):
        client = ConvexClient(url)
        args = {"documents": float(documents)}
        for n in range(queries):
            subscription = client.subscribe("bench:query", {**args, "n": float(n)})
            next(subscription)
            held.append((client, subscription))
    return {"cpu_us": cpu_us(), "at_us": now_us()}


def main() -> None:
    job, url, *rest = sys.argv[1:]
    jobs = {"stream": stream, "mutate": mutate, "hold": hold}
    print(json.dumps(jobs[job](url, *map(int, rest))), flush=True)
    sys.stdin.read()


main()
