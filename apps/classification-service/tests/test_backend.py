import logging
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from classification_service.classify.classifier import open_classifier
from classification_service.encoder import backend
from classification_service.encoder.backend import DeviceError, open_backend
from classification_service.encoder.folder import shipped_folder
from classification_service.settings import Settings
from classification_service.taxonomies.service import Taxonomies

NO_TORCH = "this image has no torch"
NO_DRIVER = "there is no NVIDIA driver: libcuda.so.1 cannot be loaded"
OLD_DRIVER = "torch cannot use the GPU: The NVIDIA driver on your system is too old (found version 12020)"
REMEDY = (
    "Start the image classification-service:cuda on a machine with an NVIDIA GPU that the container is given "
    "(docker run --gpus all), or set NEXUS_DEVICE to auto or cpu."
)


def without_torch(_: pytest.MonkeyPatch) -> None:
    """The tests run without torch, as the image for the CPU does."""


def without_driver(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(backend, "find_spec", lambda _: "torch is there")


def with_old_driver(patch: pytest.MonkeyPatch) -> None:
    without_driver(patch)
    patch.setattr(backend, "CDLL", lambda _: "the driver is there")
    patch.setitem(sys.modules, "torch", ModuleType("torch"))
    module = ModuleType("torch_backend")
    module.TorchBackend = refused_by_torch  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "classification_service.encoder.torch_backend", module)


def refused_by_torch(*_: object) -> None:
    raise RuntimeError(f"{OLD_DRIVER.removeprefix('torch cannot use the GPU: ')}.\nPlease update your GPU driver.")


OBSTACLES = pytest.mark.parametrize(
    ("arrange", "reason"),
    [(without_torch, NO_TORCH), (without_driver, NO_DRIVER), (with_old_driver, OLD_DRIVER)],
    ids=["no torch", "no driver", "old driver"],
)


@OBSTACLES
def test_by_itself_it_computes_on_the_cpu_where_there_is_no_gpu_and_says_why(
    arrange: Callable[[pytest.MonkeyPatch], None],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    arrange(monkeypatch)
    with caplog.at_level(logging.INFO):
        opened = open_backend(shipped_folder(), 1, "auto")
    assert opened.device == "cpu"
    (record,) = caplog.records
    assert record.levelname == ("WARNING" if reason == OLD_DRIVER else "INFO")
    assert record.getMessage() == "the encoder computes on the CPU with ONNX Runtime"
    assert (vars(record)["device"], vars(record)["reason"]) == ("cpu", reason)


@OBSTACLES
def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(
    arrange: Callable[[pytest.MonkeyPatch], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange(monkeypatch)
    with pytest.raises(DeviceError) as refused:
        open_backend(shipped_folder(), 1, "cuda")
    assert str(refused.value) == f"NEXUS_DEVICE is cuda, and {reason}. {REMEDY}"


def test_on_the_cpu_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", pytest.fail)
    assert open_backend(shipped_folder(), 1, "cpu").device == "cpu"


def test_the_service_does_not_start_without_the_gpu_that_it_was_told_to_use(taxonomies: Taxonomies) -> None:
    with pytest.raises(DeviceError) as refused:
        open_classifier(Settings(device="cuda"), taxonomies)
    assert str(refused.value) == f"NEXUS_DEVICE is cuda, and {NO_TORCH}. {REMEDY}"
