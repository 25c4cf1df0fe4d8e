"""A Ray cluster of two nodes classifies a file as one process does. It needs the extra `ray`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import command

pytest.importorskip("ray", reason="Ray is the extra `ray`")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.filterwarnings("default")  # Ray leaves files and processes to the end of its own

ROWS = 3500
NAMES = ("hex bolt M8", "ball point pen", "", "copper wire", "\u200b", "office chair")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a cluster whose two nodes have a processor each."""
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ray") / "products.csv"
    path.write_text(
        "id;text\n"
        + "".join(f"{number};{NAMES[number % len(NAMES)]} {number // 500 or ''}\n" for number in range(ROWS))
    )
    return path


def test_a_cluster_of_two_nodes_finds_what_one_process_finds(address: str, products: Path, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone.csv", tmp_path / "together.csv"
    arguments = ("classify", products, "--taxonomy", "unspsc", "--output")
    first = command(*arguments, alone)
    second = command(*arguments, together, "--engine", "ray", RAY_ADDRESS=address)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert together.read_bytes() == alone.read_bytes()
    assert len(together.read_bytes().splitlines()) == 1 + ROWS
    assert second.stderr.splitlines()[-1] == first.stderr.splitlines()[-1]


def test_a_cluster_that_is_not_there_is_named(products: Path, tmp_path: Path) -> None:
    target = tmp_path / "none.csv"
    found = command(
        "classify", products, "--taxonomy", "unspsc", "--output", target, "--engine", "ray", RAY_ADDRESS="127.0.0.1:9"
    )
    assert (found.returncode, list(tmp_path.iterdir())) == (1, [])
    assert found.stderr == (
        "classification-service: The Ray cluster did not finish the work: [Errno 111] Connection refused\n"
    )
