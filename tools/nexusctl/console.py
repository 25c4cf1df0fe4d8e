"""Terminal output: a line for each step while it runs, a table at the end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


@dataclass
class Steps:
    """The steps of one command, timed."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show `title` with a running clock, then one line with the time it took."""
        started = time.monotonic()
        with _spinner(title):
            yield
        self.seconds[title] = time.monotonic() - started
        out.print(f"[green]✓[/] {title} [dim]{self.seconds[title]:.1f} s[/]")


@contextmanager
def _spinner(title: str) -> Iterator[None]:
    if not out.is_terminal:
        out.print(f"… {title}")
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        progress.add_task(title)
        yield


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; every column but the first is aligned to the right."""
    grid = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    out.print(grid)
