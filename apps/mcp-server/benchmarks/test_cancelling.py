"""A cancelled call costs a fraction of a whole one, behind the service too."""

import re
from pathlib import Path

from nexus_testkit.benchmarks import output_of

FOLDER = Path(__file__).parent
WAYS = 3


def test_a_cancelled_call_ends_its_statement() -> None:
    output = output_of(FOLDER / "cancelling.py", paths=[FOLDER.parent / "tests"])
    shares = re.findall(
        r"^(.*): cancelled .* asked <= ([\d.]+) of a whole call, measured ([\d.]+)$", output, re.MULTILINE
    )
    left = re.findall(r"asked 0 statements left in pg_stat_activity, measured (\d+)$", output, re.MULTILINE)
    for way, asked, measured in shares:
        print(f"figure: {way}: {measured} of a whole call (<= {asked})")
    assert left == ["0"] * WAYS
    assert [float(measured) <= float(asked) for _, asked, measured in shares] == [True] * WAYS
