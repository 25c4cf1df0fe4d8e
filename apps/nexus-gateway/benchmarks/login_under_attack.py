"""A login while 400 wrong ones are under way, beside the same login alone.

Run: python benchmarks/login_under_attack.py [--rounds 5] [--wrong 400] from the app's folder, with the app and
nexus_testkit on PYTHONPATH, NEXUS_TEST_POSTGRES_URL (as superuser) and NEXUS_TEST_REDIS_URL. The gateway is a process of
its own on 127.0.0.1 with its own defaults; the wrong logins come from the loopback addresses 127.1.0.1 and following, as
from 400 clients, each for a name of its own.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path

from serving import PASSWORD, database, served, settings

ATTACKER = "127.1.{}.{}"
HEADERS = "Host: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"


async def sign_in(port: int, username: str, password: str, address: str) -> tuple[int, float]:
    """Status of a login from this address, and the seconds that it took."""
    body = json.dumps({"username": username, "password": password})
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(f"POST /v1/sessions HTTP/1.1\r\n{HEADERS}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1]), time.perf_counter() - began


async def right(port: int) -> float:
    """Seconds of a login that succeeds, repeated while there is no room for it."""
    began = time.perf_counter()
    while (await sign_in(port, "admin", PASSWORD, "127.0.0.1"))[0] != HTTPStatus.CREATED:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def under_attack(port: int, wrong: int, statuses: Counter[int]) -> float:
    """Seconds of a login that begins while `wrong` others are being refused."""
    run = secrets.token_hex(4)
    names = ((f"{run}{n}", ATTACKER.format(n // 250, n % 250 + 1)) for n in range(wrong))
    attack = [asyncio.create_task(sign_in(port, name, "wrong password", address)) for name, address in names]
    await asyncio.sleep(0.02)
    seconds = await right(port)
    statuses.update([status for status, _ in await asyncio.gather(*attack)])
    return seconds


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    alone, attacked = [], []
    statuses = Counter[int]()
    with tempfile.TemporaryDirectory() as folder:
        async with database() as postgres_url:
            environment = settings(Path(folder), postgres_url, "http://127.0.0.1:9")
            with served(
                str(Path(__file__).with_name("request_cost.py")), ["--serve", "gateway"], environment
            ) as running:
                await right(running.port)
                before = running.cpu_seconds()
                for _ in range(options.rounds):
                    alone.append(await right(running.port))
                    attacked.append(await under_attack(running.port, options.wrong, statuses))
                cpu = (running.cpu_seconds() - before) / (options.rounds * options.wrong)
    print(f"login alone: {statistics.median(alone):.3f} s")
    print(
        f"login under {options.wrong} wrong ones: median {statistics.median(attacked):.3f} s, longest {max(attacked):.3f} s"
    )
    print(f"statuses of the wrong ones: {dict(sorted(statuses.items()))}, each {cpu * 1000:.2f} ms of CPU")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--wrong", type=int, default=400)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
