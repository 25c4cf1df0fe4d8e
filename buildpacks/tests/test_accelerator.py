"""nexus/accelerator, in a folder like the one that `make builder` makes of it."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from lifecycle import BUILDPACKS, Lifecycle
from wheels import lock_line, write_wheel

NO_DRIVER = "there is no NVIDIA driver: libcuda.so.1 cannot be loaded"
NO_DEVICE = 100


@pytest.fixture
def wheels_cuda(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels-cuda"
    folder.mkdir()
    return folder


@pytest.fixture
def buildpack(tmp_path: Path, wheels_cuda: Path) -> Path:
    """The buildpack with a lock and a prune list of its own."""
    folder = tmp_path / "buildpack"
    shutil.copytree(BUILDPACKS / "accelerator", folder)
    shutil.copytree(BUILDPACKS / "python" / "lib" / "nexus_python", folder / "lib" / "nexus_python")
    module = folder / "lib" / "nexus_accelerator" / "cuda.py"
    module.write_text(module.read_text("utf-8").replace('"/wheels-cuda"', f'"{wheels_cuda}"'), "utf-8")
    (folder / "cuda" / "prune").write_text("# headers\ngamma/include\n", "utf-8")
    return folder


@pytest.fixture
def libraries(buildpack: Path, wheels_cuda: Path) -> Path:
    """A wheel, in the place of torch, and the lock that names it."""
    files = {"gamma/__init__.py": "DEVICE = 'cuda'\n", "gamma/include/gamma.h": "int gamma;\n"}
    wheel = write_wheel(wheels_cuda, "gamma", "3.0", files)
    lock = buildpack / "cuda" / "requirements.txt"
    lock.write_text(lock_line(wheel), "utf-8")
    return lock


def test_it_takes_part_only_where_an_accelerator_is_asked_for(lifecycle: Lifecycle) -> None:
    without = lifecycle.detect("accelerator")
    lifecycle.set(BP_NEXUS_ACCELERATOR="cpu")
    asked = lifecycle.detect("accelerator")

    assert (without.status, without.output) == (
        100,
        "nexus/accelerator takes no part: BP_NEXUS_ACCELERATOR is not set\n",
    )
    assert (asked.status, asked.output) == (0, "")


def test_on_cpu_it_adds_nothing_and_says_so(lifecycle: Lifecycle, buildpack: Path) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cpu")

    result = lifecycle.build("accelerator", buildpack)

    assert result.output == (
        "nexus/accelerator 0.1.0\n"
        "  BP_NEXUS_ACCELERATOR=cpu: nothing is added, the packages of the lock run on the CPU\n"
    )
    assert result.status == 0
    assert list(lifecycle.layers.iterdir()) == []


def test_cuda_is_refused_where_there_are_no_cuda_wheels(
    lifecycle: Lifecycle, buildpack: Path, wheels_cuda: Path
) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cuda")

    result = lifecycle.build("accelerator", buildpack)

    assert result.output == (
        "nexus/accelerator 0.1.0\n\n"
        "ERROR: There are no CUDA wheels\n\n"
        "What happened\n"
        "  BP_NEXUS_ACCELERATOR=cuda asks for the layer of CUDA libraries. Their wheels are not part of the builder.\n\n"
        f"What was found\n  no wheel in {wheels_cuda}\n\n"
        "What to do\n"
        "  Run `make image-cuda`, which fetches them, or give the build a folder that has them:\n"
        f"    pack build ... --volume FOLDER:{wheels_cuda}:ro\n"
        "  To build for the CPU, remove BP_NEXUS_ACCELERATOR or set it to cpu.\n"
    )
    assert result.status == 1
    assert list(lifecycle.layers.iterdir()) == []


def test_any_other_value_is_an_error_that_lists_the_values(lifecycle: Lifecycle, buildpack: Path) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="gpu")

    result = lifecycle.build("accelerator", buildpack)

    assert result.output == (
        "nexus/accelerator 0.1.0\n\n"
        "ERROR: BP_NEXUS_ACCELERATOR has an unsupported value\n\n"
        "What happened\n  BP_NEXUS_ACCELERATOR must be one of: cpu, cuda.\n\n"
        "What was found\n  BP_NEXUS_ACCELERATOR=gpu\n\n"
        "What to do\n  Correct the value, or remove the variable to get the default.\n"
    )
    assert result.status == 1


@pytest.mark.usefixtures("libraries")
def test_cuda_libraries_are_one_layer_behind_the_application_s_packages(lifecycle: Lifecycle, buildpack: Path) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cuda")

    result = lifecycle.build("accelerator", buildpack)

    assert result.output == ("nexus/accelerator 0.1.0\n  Pruned: 0.0 MiB\n  Packages: 1 distribution installed\n")
    assert result.status == 0
    layer = lifecycle.layers / "cuda"
    assert sorted(str(path.relative_to(layer)) for path in layer.rglob("*") if path.is_file()) == [
        "env.launch/PYTHONPATH.append",
        "env.launch/PYTHONPATH.delim",
        "sbom.cdx.json",
        "site-packages/gamma-3.0.dist-info/METADATA",
        "site-packages/gamma-3.0.dist-info/RECORD",
        "site-packages/gamma-3.0.dist-info/WHEEL",
        "site-packages/gamma/__init__.py",
        f"site-packages/gamma/__pycache__/__init__.cpython-3{platform.python_version_tuple()[1]}.pyc",
    ]
    assert (layer / "env.launch" / "PYTHONPATH.append").read_text("utf-8") == str(layer / "site-packages")
    assert (layer / "env.launch" / "PYTHONPATH.delim").read_text("utf-8") == ":"
    assert lifecycle.toml("cuda.toml")["types"] == lifecycle.toml("device.toml")["types"] == {"launch": True}
    assert os.access(lifecycle.layers / "device" / "exec.d" / "device", os.X_OK)


def test_the_layer_of_the_previous_image_is_used_while_lock_and_prune_list_stay(
    lifecycle: Lifecycle, buildpack: Path, libraries: Path
) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cuda")
    lifecycle.build("accelerator", buildpack)
    lifecycle.export()

    same = lifecycle.build("accelerator", buildpack)
    reused = not (lifecycle.layers / "cuda").exists()
    lifecycle.export()
    (buildpack / "cuda" / "prune").write_text("", "utf-8")
    other = lifecycle.build("accelerator", buildpack)

    assert same.output == (
        "nexus/accelerator 0.1.0\n  Packages: taken from the previous image, as neither lock nor Python changed\n"
    )
    assert reused
    assert other.output == "nexus/accelerator 0.1.0\n  Packages: 1 distribution installed\n"
    assert libraries.exists()


@pytest.mark.usefixtures("libraries")
def test_the_command_installs_what_the_buildpack_does(lifecycle: Lifecycle, buildpack: Path, tmp_path: Path) -> None:
    lifecycle.set(BP_NEXUS_ACCELERATOR="cuda")
    lifecycle.build("accelerator", buildpack)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(buildpack / "lib"), "SOURCE_DATE_EPOCH": "315532801"}
    environment["PIP_CONFIG_FILE"] = str(lifecycle.pip_conf)

    command = ["python3", "-m", "nexus_accelerator.cuda", str(tmp_path / "installed")]
    subprocess.run(command, env=environment, check=True)

    folders = tmp_path / "installed" / "site-packages", lifecycle.layers / "cuda" / "site-packages"
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    )
    assert first == second
    assert {path.stat().st_mtime for path in (tmp_path / "installed").rglob("*")} == {315532801}


class Launch:
    """Runs the helper as the launcher does, with a stand-in for the NVIDIA driver that is written in assembler."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._helper = folder / "device"
        script = (BUILDPACKS / "accelerator" / "exec.d" / "device").read_text("utf-8")
        self._helper.write_text(script.replace("LIMIT = 15 ", "LIMIT = 1 "), "utf-8")
        self._helper.chmod(0o755)

    def install_driver(self, init: str, gpus: int) -> None:
        """Make a libcuda.so.1 whose cuInit consists of the instructions `init`, and which counts `gpus`."""
        source = f"""
            .globl cuInit, cuDeviceGetCount, cuGetErrorName
            cuInit: {init}
            cuDeviceGetCount: movl ${gpus}, (%rdi); xorl %eax, %eax; ret
            cuGetErrorName: leaq name(%rip), %rax; movq %rax, (%rsi); xorl %eax, %eax; ret
            name: .asciz "CUDA_ERROR_NO_DEVICE"
            .section .note.GNU-stack
        """
        code = self._folder / "driver.o"
        subprocess.run(["as", "-o", code, "-"], input=source, text=True, check=True)
        subprocess.run(["ld", "-shared", "-o", self._folder / "libcuda.so.1", code], check=True)

    def __call__(self, **environment: str) -> tuple[int, str, dict[str, object]]:
        """Return exit status, what came by descriptor 3, and the line that was written, without its time."""
        reading, writing = os.pipe()
        command = ["python3", "-c", f"import os; os.dup2({writing}, 3); os.execv('{self._helper}', ['device'])"]
        done = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(self._folder), **environment},
            pass_fds=[writing],
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(writing)
        with os.fdopen(reading) as variables:
            exported = variables.read()
        assert done.stdout == ""
        line = json.loads(done.stderr) if done.stderr else {}
        line.pop("time", None)
        return done.returncode, exported, line


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return Launch(tmp_path)


def line(level: str, device: str, **more: object) -> dict[str, object]:
    return {"level": level, "logger": "nexus/accelerator", "message": f"device {device}", "device": device, **more}


def test_without_a_driver_the_device_is_the_cpu(launch: Launch) -> None:
    assert launch() == (0, "NEXUS_DEVICE = 'cpu'\n", line("warning", "cpu", reason=NO_DRIVER))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-in is x86-64 code")
@pytest.mark.parametrize(
    ("init", "gpus", "reason"),
    [
        (
            f"movl ${NO_DEVICE}, %eax; ret",
            0,
            "the NVIDIA driver answers with error 100, CUDA_ERROR_NO_DEVICE",
        ),
        ("xorl %eax, %eax; ret", 0, "the NVIDIA driver finds no GPU"),
        ("pause; jmp cuInit", 1, "the NVIDIA driver did not answer within 1 s"),
        ("ud2", 1, "the NVIDIA driver crashed"),
    ],
    ids=["refuses", "no GPU", "hangs", "crashes"],
)
def test_a_driver_without_a_gpu_means_the_cpu(launch: Launch, init: str, gpus: int, reason: str) -> None:
    launch.install_driver(init, gpus)
    assert launch() == (0, "NEXUS_DEVICE = 'cpu'\n", line("warning", "cpu", reason=reason))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-in is x86-64 code")
def test_where_a_gpu_answers_the_application_may_use_it(launch: Launch) -> None:
    launch.install_driver("xorl %eax, %eax; ret", 2)
    assert launch() == (0, "", line("info", "cuda", gpus=2))
    assert launch(NEXUS_DEVICE="auto") == (0, "", line("info", "cuda", gpus=2))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_device_that_somebody_has_chosen_stays(launch: Launch, device: str) -> None:
    assert launch(NEXUS_DEVICE=device) == (0, "", {})


def test_a_driver_that_is_no_library_does_not_hold_up_a_start(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_text("no library", "utf-8")
    assert launch() == (0, "NEXUS_DEVICE = 'cpu'\n", line("warning", "cpu", reason=NO_DRIVER))
