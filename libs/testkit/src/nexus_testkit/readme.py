"""The promise that every setting is documented."""

import re
from pathlib import Path

from pydantic_settings import BaseSettings

_ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


def assert_settings_documented(settings: type[BaseSettings], readme: Path) -> None:
    """Fail unless the table `| name | default | meaning |` in `readme` says exactly what the class `settings` says."""
    documented = {name: (default, meaning) for name, default, meaning in _ROW.findall(readme.read_text("utf-8"))}
    assert documented == _declared(settings), f"{readme} should have these rows:\n{settings_table(settings)}"


def settings_table(settings: type[BaseSettings]) -> str:
    """The rows of the table, to be pasted into the README."""
    return "\n".join(
        f"| `{name}` | {default} | {meaning} |" for name, (default, meaning) in _declared(settings).items()
    )


def _declared(settings: type[BaseSettings]) -> dict[str, tuple[str, str]]:
    return {
        str(field.validation_alias): (
            "required" if field.is_required() else f"`{field.default}`",
            str(field.description),
        )
        for field in settings.model_fields.values()
    }
