import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from conftest import APP, FIXTURES

from nexus_testkit.process import free_port


@contextmanager
def server(**settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "NEXUS_ADMIN_PORT": str(free_port()), **settings}
    program = [sys.executable, "-m", "classification_service"]
    with subprocess.Popen(program, cwd=APP, env=environment, text=True, stdout=-1, stderr=-1) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def test_the_server_starts_without_database_and_ends_in_order() -> None:
    with server() as (process, url):
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{url}/readyz") as response:  # noqa: S310  it is the server's own address
                    assert response.read() == b'{"status":"ok"}'
                break
            except OSError:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_faulty_encoder_folder_ends_the_server_with_status_78() -> None:
    folder = FIXTURES / "encoder-folders" / "weight-missing"
    with server(NEXUS_ENCODER_DIR=str(folder)) as (process, _):
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 78
    assert f"{folder}/model.safetensors has no weight embeddings.word_embeddings.weight." in output + errors
    assert "Traceback" not in output + errors
