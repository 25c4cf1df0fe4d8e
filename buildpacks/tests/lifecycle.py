"""Runs a buildpack's executables as the lifecycle does: same arguments, environment and folders.

https://github.com/buildpacks/spec/blob/buildpack/v0.10/buildpack.md
"""

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILDPACKS = Path(__file__).parents[1]

TARGET = {
    "CNB_TARGET_OS": "linux",
    "CNB_TARGET_ARCH": "amd64",
    "CNB_TARGET_DISTRO_NAME": "debian",
    "CNB_TARGET_DISTRO_VERSION": "13",
}


@dataclass(frozen=True)
class Result:
    """What an executable wrote, standard output and error in one, and its exit status."""

    status: int
    output: str


class Lifecycle:
    """The folders of one build under `root`, and the phases that use them."""

    def __init__(self, root: Path, wheelhouse: Path) -> None:
        self.app = root / "workspace"
        self.layers = root / "layers"
        self.platform = root / "platform"
        self.plan = root / "plan.toml"
        self.wheelhouse = wheelhouse
        self.target = dict(TARGET)
        self.path = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
        for folder in (self.app, self.layers, self.platform / "env"):
            folder.mkdir(parents=True)
        self.plan.touch()
        self.pip_conf = root / "pip.conf"
        self.pip_conf.write_text(f"[global]\nno-index = true\nfind-links = {wheelhouse}\n", "utf-8")

    def write(self, files: dict[str, str]) -> None:
        """Write files of the application, path to content."""
        for name, content in files.items():
            path = self.app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")

    def set(self, **variables: str) -> None:
        """Set variables of the platform, as `pack build --env` and project.toml do."""
        for name, value in variables.items():
            (self.platform / "env" / name).write_text(value, "utf-8")

    def leave_out_python(self, folder: Path) -> None:
        """Give the executables a PATH like that of a build image without Python: `folder` with links to other programs."""
        folder.mkdir()
        programs = (path for place in os.defpath.split(os.pathsep) for path in sorted(Path(place).glob("*")))
        for program in programs:
            if not program.name.startswith("py") and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
        self.path = str(folder)

    def detect(self, buildpack: str) -> Result:
        """Run bin/detect."""
        variables = {"CNB_BUILD_PLAN_PATH": str(self.plan)}
        return self._run(BUILDPACKS / buildpack, "detect", [str(self.platform), str(self.plan)], variables)

    def build(self, buildpack: str, folder: Path | None = None) -> Result:
        """Run bin/build; `folder` is where the buildpack lies in the builder, if not here."""
        arguments = [str(self.layers), str(self.platform), str(self.plan)]
        variables = {"CNB_LAYERS_DIR": str(self.layers), "CNB_BP_PLAN_PATH": str(self.plan)}
        return self._run(folder or BUILDPACKS / buildpack, "build", arguments, variables)

    def export(self) -> None:
        """Do what export and the next build's restore do to launch layers: metadata and bills stay, content goes."""
        for path in list(self.layers.iterdir()):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name == "launch.toml":
                path.unlink()
            elif path.suffix == ".toml":
                text = path.read_text("utf-8")
                path.write_text(text[text.index("[metadata]") :], "utf-8")

    def toml(self, name: str) -> dict[str, Any]:
        """Return a TOML file of the layers folder."""
        return tomllib.loads((self.layers / name).read_text("utf-8"))

    def _run(self, folder: Path, phase: str, arguments: list[str], variables: dict[str, str]) -> Result:
        completed = subprocess.run(
            [folder / "bin" / phase, *arguments],
            cwd=self.app,
            env=self._environ() | self.target | variables | {"CNB_BUILDPACK_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Result(completed.returncode, completed.stdout)

    def _environ(self) -> dict[str, str]:
        platform = {path.name: path.read_text("utf-8") for path in (self.platform / "env").iterdir()}
        return {
            "PATH": self.path,
            "CNB_PLATFORM_DIR": str(self.platform),
            "PIP_CONFIG_FILE": str(self.pip_conf),
            "PYTHONDONTWRITEBYTECODE": "1",
        } | platform
