"""`audit verify` at the command line, with a database of its own."""

import asyncio

import asyncpg
import pytest

from nexus_gateway.cli import main


@pytest.fixture
def log(environment: pytest.MonkeyPatch, postgres_url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """A log of one row; returns its head."""
    environment.setenv("NEXUS_LOG_LEVEL", "error")
    with pytest.raises(SystemExit):
        main(["tenants", "add", "acme", "Acme"])
    capsys.readouterr()
    return str(execute(postgres_url, "SELECT seq || ':' || encode(hash, 'hex') FROM audit_events"))


def execute(postgres_url: str, *statements: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(postgres_url)
        found = [await connection.fetchval(statement) for statement in statements]
        await connection.close()
        return found[-1]

    return asyncio.run(run())


def verify(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_whole_log_is_reported_with_its_head(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(rows: int) -> tuple[int, str, str]:
        text = f"{rows} rows are as they were written. Begin the next verification with: --after {log}\n"
        return 0, text, ""

    assert verify(capsys) == answer(1)
    assert verify(capsys, "--after", log) == answer(0)
    assert verify(capsys, "--after", "1") == answer(0)


@pytest.mark.usefixtures("log")
def test_the_first_row_that_was_changed_is_named(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(
        postgres_url,
        "ALTER TABLE audit_events DISABLE TRIGGER audit_events_are_append_only",
        "UPDATE audit_events SET action = 'other'",
    )

    assert verify(capsys) == (1, "", "Row 1 of the audit log does not follow from the row before it.\n")


@pytest.mark.usefixtures("log")
def test_a_head_that_the_log_does_not_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    other = f"1:{'0' * 64}"

    assert verify(capsys, "--after", other) == (1, "", "Row 1 of the audit log has another hash than the one given.\n")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("head", ["x", "-1", "1:", f"1:{'0' * 63}", "9" * 19])
def test_what_is_no_head_is_misuse(head: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = verify(capsys, f"--after={head}")

    assert (status, out) == (2, "")
    assert err.endswith(
        f"error: argument --after: '{head}' is not NUMBER or NUMBER:HASH, the hash as 64 hexadecimal digits\n"
    )
