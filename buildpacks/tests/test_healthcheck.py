from pathlib import Path

import pytest
from lifecycle import Lifecycle


@pytest.mark.parametrize(
    ("value", "distro", "status", "output"),
    [
        ("", ("debian", "13"), 100, "the run image has the probe (BP_NEXUS_HEALTHCHECK=true adds it all the same)"),
        ("auto", ("debian", "13"), 100, "the run image has the probe (BP_NEXUS_HEALTHCHECK=true adds it all the same)"),
        ("false", ("ubuntu", "24.04"), 100, "BP_NEXUS_HEALTHCHECK=false"),
        ("", ("ubuntu", "24.04"), 0, ""),
        ("auto", ("debian", "12"), 0, ""),
        ("true", ("debian", "13"), 0, ""),
        ("yes", ("debian", "13"), 0, ""),  # the build says what is wrong with it
    ],
)
def test_it_takes_part_where_the_run_image_lacks_the_probe(
    lifecycle: Lifecycle, value: str, distro: tuple[str, str], status: int, output: str
) -> None:
    lifecycle.target |= {"CNB_TARGET_DISTRO_NAME": distro[0], "CNB_TARGET_DISTRO_VERSION": distro[1]}
    lifecycle.set(BP_NEXUS_HEALTHCHECK=value)

    result = lifecycle.detect("healthcheck")

    assert result.output == (f"nexus/healthcheck takes no part: {output}\n" if output else "")
    assert result.status == status


def test_the_probe_becomes_a_launch_layer_with_a_link_in_the_application(
    lifecycle: Lifecycle, probe_buildpack: Path
) -> None:
    lifecycle.set(BP_NEXUS_HEALTHCHECK="true")

    result = lifecycle.build("healthcheck", probe_buildpack)

    installed = lifecycle.layers / "probe" / "bin" / "health-probe"
    assert result.output == (
        "nexus/healthcheck 0.1.0\n"
        f"  Health probe: {installed}\n"
        f"  Link to it: {lifecycle.app}/health-check\n"
        f'  Name it where the container is defined, as HEALTHCHECK CMD ["{installed}"]\n'
    )
    assert result.status == 0
    assert installed.read_bytes() == (probe_buildpack / "bin" / "health-probe").read_bytes()
    assert installed.stat().st_mode & 0o777 == 0o755
    assert (lifecycle.app / "health-check").readlink() == installed
    assert lifecycle.toml("probe.toml") == {"types": {"launch": True}}


def test_a_health_check_of_the_application_is_left_alone(lifecycle: Lifecycle, probe_buildpack: Path) -> None:
    lifecycle.write({"health-check": "its own"})

    result = lifecycle.build("healthcheck", probe_buildpack)

    assert (
        "Note: the application has a health-check of its own, which stays; no link to the probe is made"
        in result.output
    )
    assert (lifecycle.app / "health-check").read_text("utf-8") == "its own"


@pytest.mark.parametrize("link", ["absent", "../elsewhere"])
def test_a_link_of_the_application_that_leads_nowhere_is_left_alone(
    lifecycle: Lifecycle, probe_buildpack: Path, link: str
) -> None:
    (lifecycle.app / "health-check").symlink_to(link)

    result = lifecycle.build("healthcheck", probe_buildpack)

    assert result.status == 0
    assert str((lifecycle.app / "health-check").readlink()) == link


def test_an_unknown_value_is_an_error(lifecycle: Lifecycle, probe_buildpack: Path) -> None:
    lifecycle.set(BP_NEXUS_HEALTHCHECK="yes")

    result = lifecycle.build("healthcheck", probe_buildpack)

    assert result.output == (
        "nexus/healthcheck 0.1.0\n\n"
        "ERROR: BP_NEXUS_HEALTHCHECK has an unsupported value\n\n"
        "What happened\n  BP_NEXUS_HEALTHCHECK must be one of: auto, true, false.\n\n"
        "What was found\n  BP_NEXUS_HEALTHCHECK=yes\n\n"
        "What to do\n  Correct the value, or remove the variable to get auto.\n"
    )
    assert result.status == 1


def test_a_buildpack_packaged_without_the_probe_is_an_error(lifecycle: Lifecycle, probe_buildpack: Path) -> None:
    probe = probe_buildpack / "bin" / "health-probe"
    probe.unlink()

    result = lifecycle.build("healthcheck", probe_buildpack)

    assert result.output == (
        "nexus/healthcheck 0.1.0\n\n"
        "ERROR: The health probe is missing from the buildpack\n\n"
        "What happened\n  The buildpack was packaged without the probe that it should contribute.\n\n"
        f"What was found\n  no file {probe}\n\n"
        "What to do\n  Make the builder again (make builder), which compiles the probe from docker/probe.\n"
    )
    assert result.status == 1
