from pathlib import Path

import pytest
from lifecycle import Lifecycle
from nexus_accelerator import refuse_cuda


def test_it_takes_part_only_where_an_accelerator_is_asked_for(lifecycle: Lifecycle) -> None:
    without = lifecycle.detect("accelerator")
    lifecycle.set(BP_NEXUS_ACCELERATOR="cpu")
    asked = lifecycle.detect("accelerator")

    assert (without.status, without.output) == (
        100,
        "nexus/accelerator takes no part: BP_NEXUS_ACCELERATOR is not set\n",
    )
    assert (asked.status, asked.output) == (0, "")


def test_on_cpu_it_adds_nothing_and_says_so(lifecycle: Lifecycle) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cpu")

    result = lifecycle.build("accelerator")

    assert result.output == (
        "nexus/accelerator 0.1.0\n"
        "  BP_NEXUS_ACCELERATOR=cpu: nothing is added, the packages of the lock run on the CPU\n"
    )
    assert result.status == 0
    assert list(lifecycle.layers.iterdir()) == []


def test_cuda_is_refused_where_the_builder_has_no_cuda_wheels(lifecycle: Lifecycle) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cuda")

    result = lifecycle.build("accelerator")

    assert result.output == (
        "nexus/accelerator 0.1.0\n\n"
        "ERROR: This builder carries no CUDA libraries\n\n"
        "What happened\n"
        "  BP_NEXUS_ACCELERATOR=cuda asks for a layer of CUDA wheels, which this version (0.1.0) of the buildpack doesn't make.\n\n"
        "What was found\n  wheels in /wheels-cuda: 0\n\n"
        "What to do\n  Build for the CPU: remove BP_NEXUS_ACCELERATOR, or set it to cpu.\n"
    )
    assert result.status == 1


def test_cuda_wheels_in_the_builder_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "torch-2.6.0-cp313-cp313-manylinux_2_28_x86_64.whl").touch()

    status = refuse_cuda(tmp_path)

    assert f"What was found\n  wheels in {tmp_path}: 1\n" in capsys.readouterr().err
    assert status == 1


def test_any_other_value_is_an_error_that_lists_the_values(lifecycle: Lifecycle) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="gpu")

    result = lifecycle.build("accelerator")

    assert result.output == (
        "nexus/accelerator 0.1.0\n\n"
        "ERROR: BP_NEXUS_ACCELERATOR has a value that it doesn't take\n\n"
        "What happened\n  BP_NEXUS_ACCELERATOR must be one of: cpu, cuda.\n\n"
        "What was found\n  BP_NEXUS_ACCELERATOR=gpu\n\n"
        "What to do\n  Correct the value, or remove the variable to build for the CPU.\n"
    )
    assert result.status == 1
