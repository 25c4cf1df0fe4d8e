"""The parity tool's own words: its report, its allow list, and what it says to bad input."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, run
from harness.engine_proxy import EngineProxy, proxied_engine

from nexusctl import images
from nexusctl.console import Steps, out
from nexusctl.errors import NexusError
from nexusctl.parity import allowances, behaviour, report
from nexusctl.parity.compare import MEMORY, SIZE, START, Pair
from nexusctl.parity.facts import Difference, Row, Verdict
from nexusctl.workspace import ROOT, load

PAIR = Pair("shop", ("shop:latest", "shop:dockerfile"))
REASON = "the launcher"
ROWS = [
    Row("platform", "linux/amd64", "linux/amd64", Verdict.EQUAL),
    Row("entrypoint", "/cnb", "none", Verdict.ALLOWED, (Difference("/cnb", "", None, REASON),)),
    Row(
        "labels",
        "2, 8b1a9953c461",
        "none",
        Verdict.DIFFERENT,
        (*(Difference(f"label{number}", "x", None) for number in range(6)), Difference("[b]", "1", "2")),
    ),
    MEMORY.compare(119, 109),
    MEMORY.compare(121, 109),
    SIZE.compare(None, 109),
    START.compare(0.6, 0.5),
]


EXPECTED = """\
shop
┏━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┓
┃ point              ┃     shop:latest ┃ shop:dockerfile ┃               verdict ┃
┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━┩
│ platform           │     linux/amd64 │     linux/amd64 │                 equal │
│ entrypoint         │            /cnb │            none │           allowed (1) │
│ labels             │ 2, 8b1a9953c461 │            none │             different │
│ memory             │          119 MB │          109 MB │     equal, ratio 1.09 │
│ memory             │          121 MB │          109 MB │ different, ratio 1.11 │
│ image size         │            none │          109 MB │             different │
│ start to first 200 │           0.6 s │           0.5 s │  measured, ratio 1.20 │
└────────────────────┴─────────────────┴─────────────────┴───────────────────────┘
  (1) the launcher
  labels: label0: x | is not there
  labels: label1: x | is not there
  labels: label2: x | is not there
  labels: label3: x | is not there
  labels: label4: x | is not there
  labels: 2 more; `--json` has them all
allowed, but no longer so: labels: old (no longer so)
0 of 1 equal
"""


def parity(*arguments: str, **env: str) -> Outcome:
    settings = {"PYTHONPATH": str(ROOT / "tools"), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **env}
    return run([sys.executable, "-m", "nexusctl", "parity", *arguments], ROOT, settings)


IGNORE_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


@pytest.fixture
def deaf() -> Iterator[list[behaviour.Side]]:
    """Two compose projects whose service `shop` ignores SIGTERM."""
    sides = [behaviour.Side(f"nexus-deaf-{name}", (), {}) for name in ("left", "right")]
    containers = []
    for side in sides:
        labels = {"com.docker.compose.project": side.project, "com.docker.compose.service": "shop"}
        options = [f"--label={name}={value}" for name, value in labels.items()]
        command = ("nexus/build", "python3", "-c", IGNORE_SIGTERM)
        containers.append(engine.docker("run", "--detach", "--stop-timeout=1", *options, *command).strip())
    for container in containers:
        while "ready" not in engine.docker("logs", container):
            time.sleep(0.05)
    yield sides
    engine.docker("rm", "--force", *containers)


@pytest.mark.usefixtures("bases")
def test_containers_that_both_had_to_be_killed_differ(deaf: list[behaviour.Side]) -> None:
    assert [behaviour.stop(side, "shop") for side in deaf] == [
        {"exit on SIGTERM": {"killed in nexus-deaf-left": ""}},
        {"exit on SIGTERM": {"killed in nexus-deaf-right": ""}},
    ]


def test_report_has_a_row_per_point_reasons_and_differences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "width", 100)
    report.show({PAIR: ROWS}, ["labels: old (no longer so)"])
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == EXPECTED.splitlines()


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(report.as_json({PAIR: ROWS}, []))
    assert (document["equal"], document["stale"]) == (False, [])
    (pair,) = document["pairs"]
    assert (pair["service"], pair["images"]) == ("shop", ["shop:latest", "shop:dockerfile"])
    assert [(row["point"], row["verdict"], len(row["differences"])) for row in pair["points"]] == [
        ("platform", "equal", 0),
        ("entrypoint", "allowed", 1),
        ("labels", "different", 7),
        ("memory", "equal", 0),
        ("memory", "different", 0),
        ("image size", "different", 0),
        ("start to first 200", "measured", 0),
    ]
    assert capsys.readouterr().out == ""


NOT_UNDERSTOOD = "allow.toml has an entry that is not understood\n  found: {}\n  to do: {}"
WRITE = (
    "write [[same]] with left, right and reason, or [[allow]] with point, key and reason, all of them text; "
    "docs/concepts/parity.md lists the optional keys"
)
MALFORMED = {
    '[[allow]]\npoint = "labels"\nkey = "*"\n': "[[allow]] with point = 'labels', key = '*'",
    '[[allow]]\npoint = "labels"\nkey = "*"\nreason = 1\n': "[[allow]] with point = 'labels', key = '*', reason = 1",
    '[[same]]\nleft = "/a"\nright = "/b"\nreason = "x"\nside = "left"\n': (
        "[[same]] with left = '/a', right = '/b', reason = 'x', side = 'left'"
    ),
    '[[allow]]\npoint = "labels"\nkey = "*"\nreason = "x"\nside = "both"\n': (
        "[[allow]] with point = 'labels', key = '*', reason = 'x', side = 'both'"
    ),
    '[[ignore]]\npoint = "labels"\n': "[[ignore]]",
}


@pytest.mark.parametrize(
    "text", MALFORMED, ids=["no reason", "no text", "a side of a path", "another side", "another table"]
)
def test_entry_that_is_not_understood_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "allow.toml"
    path.write_text(text)
    with pytest.raises(NexusError) as raised:
        allowances.load(path)
    assert str(raised.value) == NOT_UNDERSTOOD.format(MALFORMED[text], WRITE)


def test_list_that_is_no_toml_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "allow.toml"
    path.write_text("[[allow]\n")
    with pytest.raises(NexusError) as raised:
        allowances.load(path)
    what, found, remedy = str(raised.value).splitlines()
    assert (what, remedy) == ("allow.toml cannot be read", "  to do: fix the line that it names")
    assert "line 1" in found


def test_allowance_counts_as_needed_only_where_it_was_used(tmp_path: Path) -> None:
    path = tmp_path / "allow.toml"
    path.write_text(
        '[[same]]\nleft = "/a"\nright = "/b"\nreason = "moved"\n'
        '[[same]]\nleft = "/c"\nright = "/d"\nreason = "gone"\n'
        '[[allow]]\npoint = "labels"\nkey = "io.*"\nside = "left"\nreason = "notes"\n'
        '[[allow]]\npoint = "labels"\nkey = "old"\nreason = "no longer"\n'
        '[[allow]]\npoint = "labels"\nkey = "*"\nonly = "other:*"\nreason = "of other images"\n'
    )
    whole = allowances.load(path)
    pair = whole.begin("shop:latest")
    assert pair.rename({"files": {"/a/x": "-> /a", "/ab": "/abc /a:/a/y"}}) == {
        "files": {"/b/x": "-> /b", "/ab": "/abc /b:/b/y"}
    }
    judged = [
        pair.judge("labels", Difference("io.x", "1", None)).reason,
        pair.judge("labels", Difference("io.x", "1", "2")).reason,
        pair.judge("labels", Difference("other", "1", None)).reason,
        pair.judge("ports", Difference("io.x", "1", None)).reason,
    ]
    assert judged == ["notes", None, None, None]
    assert whole.stale() == ["/c = /d (gone)", "labels: old (no longer)"]


BAD_INPUT = {
    ("nowhere",): (
        "no such app\n"
        "  found: nowhere\n"
        "  to do: use one of: nexus-gateway, mcp-server, dataflow-service, classification-service, workflow-runner\n"
    ),
    ("--images", "nexus/redis", "no such:image:at all"): (
        "there is no such image\n"
        "  found: no such:image:at all\n"
        "  to do: check the name (`docker image ls`); build or load the image first\n"
    ),
    ("mcp-server", "nexus-gateway", "--images", "nexus/redis", "nexus/redis"): (
        "two images can run as one service only\n"
        "  found: mcp-server, nexus-gateway\n"
        "  to do: name one service with --images\n"
    ),
}


@pytest.mark.parametrize("arguments", BAD_INPUT, ids=["unknown app", "corrupt reference", "two services for one pair"])
@pytest.mark.usefixtures("stores")
def test_bad_input_is_said_before_anything_runs(arguments: tuple[str, ...]) -> None:
    assert parity(*arguments) == Outcome(1, "", f"nexusctl: {BAD_INPUT[arguments]}")


def test_any_two_images_can_be_compared(stores: tuple[str, str]) -> None:
    redis, postgres = stores
    equal, other = parity("--images", redis, redis, "--json"), parity("--images", redis, postgres, "--json")
    assert (equal.status, equal.err, json.loads(equal.out)["equal"]) == (0, "", True)
    assert (other.status, other.err, json.loads(other.out)["equal"]) == (1, "", False)
    (pair,) = json.loads(other.out)["pairs"]
    different = {row["point"] for row in pair["points"] if row["verdict"] == "different"}
    assert {"operating-system files", "Debian packages", "volumes", "command", "state"} <= different
    assert left_over() == []


def test_engine_that_goes_away_is_named(stores: tuple[str, str], engine_proxy: EngineProxy) -> None:
    redis, _ = stores
    threading.Thread(target=cut_when_running, args=(engine_proxy,), daemon=True).start()
    outcome = parity("--images", redis, redis, DOCKER_HOST=engine_proxy.host)
    what, found, remedy = outcome.err.splitlines()
    assert (outcome.status, outcome.out, what) == (1, "", "nexusctl: the Docker engine went away")
    assert found.startswith("  found: ")
    assert remedy == (
        "  to do: start it (as root: `systemctl start docker`), then run the same command again: what was finished is kept"
    )
    again = parity("--images", redis, redis)
    assert (again.status, again.err) == (0, "")
    assert left_over() == []


def test_second_comparison_at_once_is_refused(stores: tuple[str, str]) -> None:
    redis, _ = stores
    with behaviour.alone():
        outcome = parity("--images", redis, redis)
    assert outcome == Outcome(
        1,
        "",
        "nexusctl: another comparison is running\n"
        "  found: a process holds .nexus/parity/lock\n"
        "  to do: wait until it is done\n",
    )


def left_over() -> list[str]:
    return [container for side in ("left", "right") for container in engine.containers(f"{behaviour.PROJECT}-{side}")]


def cut_when_running(engine_proxy: EngineProxy) -> None:
    """Wait until a container of the comparison runs, then take the engine away."""
    deadline = time.monotonic() + 60
    while not engine.containers(f"{behaviour.PROJECT}-left") and time.monotonic() < deadline:
        time.sleep(0.05)
    engine_proxy.cut()


@pytest.fixture
def engine_proxy() -> Iterator[EngineProxy]:
    with proxied_engine() as server:
        yield server


@pytest.fixture(scope="module")
def stores() -> tuple[str, str]:
    """The images of Redis and PostgreSQL, built."""
    images.build(Steps(), [service.name for service in load().stores], use_pack=True)
    return "nexus/redis", "nexus/postgres"
