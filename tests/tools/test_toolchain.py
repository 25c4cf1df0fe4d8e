"""How the project's own pack is run."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from nexusctl import toolchain
from nexusctl.errors import NexusError

PACK = """#!/bin/sh
echo layers > "$TMPDIR/layers"
echo "$TMPDIR" > "$1"
exit "$2"
"""


@pytest.mark.parametrize("status", [0, 1])
def test_what_pack_leaves_in_its_temporary_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    program, said = tmp_path / "bin" / "pack", tmp_path / "said"
    program.parent.mkdir()
    program.write_text(PACK)
    program.chmod(0o755)
    monkeypatch.setattr(toolchain, "BIN", program.parent)
    with pytest.raises(NexusError) if status else nullcontext():
        toolchain.run_pack(said, str(status), log="test-pack")
    folder = Path(said.read_text().strip())
    assert folder.name.startswith("nexus-pack-")
    assert not folder.exists()
