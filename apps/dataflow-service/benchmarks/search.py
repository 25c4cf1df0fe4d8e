"""How long a search takes in 100,000 products of two tenants, over HTTP, with the indexes under row-level security and without.

    NEXUS_TEST_POSTGRES_URL=postgresql://... NEXUS_TEST_REDIS_URL=redis://... python benchmarks/search.py

PostgreSQL uses the indexes if functions are marked as leakproof, as docker/postgres/initdb.d/20-search.sql does.
"""

import asyncio
import http.client
import json
import time
from urllib.parse import quote, urlsplit

import asyncpg
from servers import Service, database, service

ROUNDS = 7
SEARCHES = ("8402", "M8 solenoid valve", "hexagon bolt", "bolt", "hexagn bolt", "solenod vlve")
UNMARKED = (
    *(
        "to_tsvector(regconfig, text)",
        "ts_match_vq(tsvector, tsquery)",
        "textcat(text, text)",
        "texticlike(text, text)",
    ),
    "word_similarity_commutator_op(text, text)",
)
ROWS = """
INSERT INTO products (name, description, sku, tenant_id)
SELECT (ARRAY['Hexagon bolt', 'Anchor bolt', 'Washer', 'Stud', 'Rivet', 'Ball bearing', 'Cable gland', 'Circuit breaker',
              'Contactor', 'Terminal block', 'Cable tie', 'Drill bit', 'Angle grinder', 'Safety helmet', 'Hydraulic hose',
              'Gasket', 'Pulley', 'Gear motor', 'Limit switch', 'Proximity sensor', 'Pressure gauge', 'Ball valve',
              'Solenoid valve', 'Pipe clamp', 'Hose fitting', 'Filter cartridge', 'Lubricant', 'Sealant', 'Adhesive tape',
              'Label printer', 'Barcode scanner', 'Paint roller', 'Sandpaper', 'V-belt', 'O-ring', 'Work gloves',
              'Heat shrink tube', 'Threaded rod', 'Hex nut', 'Socket screw'])[1 + n / 2 % 40]
           || ' M' || 3 + n % 30 || 'x' || 10 + n % 200 || ' DIN ' || 900 + n % 300,
       (ARRAY['zinc plated', 'stainless steel', 'galvanised', 'brass', 'polyamide'])[1 + n % 5] || ', pack of ' || n % 500
           || ', ' || md5(n::text),
       chr(65 + n % 26) || '-' || n,
       CASE n % 2 WHEN 0 THEN 'default' ELSE 'other' END
  FROM generate_series(1, 100000) AS n
"""


def milliseconds(running: Service, search: str) -> float:
    """Time of a search: the median of some."""
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        headers = {"Authorization": f"Bearer {running.token}"}
        connection.request("GET", f"/v1/product?search={quote(search)}", headers=headers)
        rows = json.loads(connection.getresponse().read())["items"]
        times.append((time.perf_counter() - started) * 1000)
    if not rows:
        raise SystemExit(f"{search!r} finds nothing.")
    return sorted(times)[ROUNDS // 2]


async def prepare(url: str) -> None:
    """Write the rows."""
    connection = await asyncpg.connect(url)
    await connection.execute(ROWS, timeout=120)
    await connection.execute("VACUUM ANALYZE products", timeout=120)
    await connection.close()


async def unmark(url: str) -> None:
    """Leave the functions as PostgreSQL has them."""
    connection = await asyncpg.connect(url)
    for function in UNMARKED:
        await connection.execute(f"ALTER FUNCTION {function} NOT LEAKPROOF")
    await connection.close()


def main() -> None:
    """Print the time of each search."""
    with database() as url, service(url) as running:
        asyncio.run(prepare(url))
        marked = {search: milliseconds(running, search) for search in SEARCHES}
        asyncio.run(unmark(url))
        for search, took in marked.items():
            print(
                f"search {search!r}: {took:.0f} ms; without leakproof functions {milliseconds(running, search):.0f} ms"
            )


if __name__ == "__main__":
    main()
