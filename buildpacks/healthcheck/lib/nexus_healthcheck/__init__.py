"""The nexus/healthcheck buildpack: the static health probe as a launch layer, for run images that lack it."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

VERSION = "0.1.0"
VARIABLE = "BP_NEXUS_HEALTHCHECK"

PASS = 0
FAIL = 100

# nexus/run, whose image carries the probe at /usr/local/bin/health-probe and names it in HEALTHCHECK.
RUN_IMAGE_WITH_PROBE = ("debian", "13")
PROBE = "health-probe"
LINK = "health-check"


def detect() -> int:
    """Return 0 if the buildpack takes part, 100 if not; a wrong value takes part, for the build to tell of it."""
    reason = _reason_to_skip(os.environ)
    if reason:
        _say(f"nexus/healthcheck takes no part: {reason}")
        return FAIL
    return PASS


def build() -> int:
    """Contribute the probe; return the exit status."""
    _say(f"nexus/healthcheck {VERSION}")
    value = os.environ.get(VARIABLE, "")
    if value not in {"", "auto", "true"}:
        return _fail(
            f"{VARIABLE} has a value that it doesn't take",
            f"{VARIABLE} must be one of: auto, true, false.",
            f"{VARIABLE}={value}",
            "Correct the value, or remove the variable to get auto.",
        )
    probe = Path(os.environ["CNB_BUILDPACK_DIR"], "bin", PROBE)
    if not probe.is_file():
        return _fail(
            "The health probe is missing from the buildpack",
            "The buildpack was packaged without the probe that it should contribute.",
            f"no file {probe}",
            "Make the builder again (make builder), which compiles the probe from docker/probe.",
        )
    _contribute(probe, Path(os.environ["CNB_LAYERS_DIR"]), Path.cwd())
    return 0


def _reason_to_skip(environ: Mapping[str, str]) -> str:
    value = environ.get(VARIABLE) or "auto"
    if value == "false":
        return f"{VARIABLE}=false"
    target = (environ.get("CNB_TARGET_DISTRO_NAME", ""), environ.get("CNB_TARGET_DISTRO_VERSION", ""))
    if value == "auto" and target == RUN_IMAGE_WITH_PROBE:
        return f"the run image has the probe ({VARIABLE}=true adds it all the same)"
    return ""


def _contribute(probe: Path, layers: Path, app: Path) -> None:
    layer_bin = layers / "probe" / "bin"
    layer_bin.mkdir(parents=True)
    installed = layer_bin / PROBE
    shutil.copyfile(probe, installed)
    installed.chmod(0o755)
    layers.joinpath("probe.toml").write_text("[types]\nlaunch = true\n", "utf-8")
    _say(f"  Health probe: {installed}")
    link = app / LINK
    if link.is_symlink() or link.exists():
        _say(f"  Note: the application has a {LINK} of its own, which stays; no link to the probe is made")
    else:
        link.symlink_to(installed)
        _say(f"  Link to it: {link}")
    _say('  Name it where the container is defined, as HEALTHCHECK CMD ["' + str(installed) + '"]')


def _fail(title: str, happened: str, found: str, todo: str) -> int:
    sections = {"What happened": happened, "What was found": found, "What to do": todo}
    body = "".join(f"\n{heading}\n  {text}\n" for heading, text in sections.items())
    sys.stderr.write(f"\nERROR: {title}\n{body}")
    return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
