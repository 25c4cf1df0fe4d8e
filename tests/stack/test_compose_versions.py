"""The compose file works with docker-compose 1.29.2 and with compose v2, both with the builder that every engine has."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, run
from harness.compose_v2 import docker_config
from harness.figures import Figures
from harness.proofs import STACK_INPUTS, proof
from harness.stack import settings

from nexusctl import docker
from nexusctl.workspace import COMPOSE_FILE, ROOT, load

PROJECT = "nexus-test-compose"
GPU_FILE = ROOT / "docker-compose.gpu.yml"
LLM_FILE = ROOT / "docker-compose.openai.yml"
TAG, TAG_OF_PACK = "compose-test", "latest"
OWN_IMAGES = [f"{image}:{TAG}" for image in dict.fromkeys(process.image for process in load().processes)]
STORES = {f"NEXUS_{service.name.upper()}_IMAGE": f"{service.image}:{TAG}" for service in load().stores}
HELD = ("Memory", "NanoCpus", "PidsLimit", "ReadonlyRootfs", "CapDrop", "SecurityOpt", "Init", "Tmpfs", "ShmSize")
REPLICAS = 3
# The pool (NEXUS_POSTGRES_POOL_SIZE), the health check, and what else a replica opens: docs/guides/run-in-production.md.
CONNECTIONS = {
    "nexus-gateway": 10 + 1 + 1,
    "dataflow-service": 10 + 1 + 3,
    "mcp-server": 10 + 1 + 1,
    "classification-service": 10 + 1 + 1,
}
CONNECTIONS_OF_THE_SUPERUSER = 3  # superuser_reserved_connections
CONNECTIONS_OF_A_BACKUP = 1
PROFILES = ",".join(str(worker.profile) for worker in load().optional)
"""docker-compose 1.29 shows services of all profiles, compose v2 those of the named ones alone."""

CONNECTIONS_OF_THE_TRAINER = 5  # its pool of 4, and one while it migrates
LEGACY_BUILDER = {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}


pytestmark = proof("compose versions", *STACK_INPUTS, GPU_FILE.name, LLM_FILE.name, "tests/harness/compose_v2.py")


class Compose:
    """One version of compose on the compose file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._command = [*command, "-f", str(COMPOSE_FILE)]
        self._environment = settings(project=PROJECT, tag=TAG, gateway_port=18002, mcp_port=13002)
        self._environment |= {**STORES, **LEGACY_BUILDER, **environment}

    def add(self, override: Path, **settings: str) -> None:
        """Lay another compose file over the first."""
        self._command += ["-f", str(override)]
        self._environment |= settings

    def set(self, **settings: str) -> None:
        """Set variables of the compose file."""
        self._environment |= settings

    def use_images_of(self, tag: str) -> None:
        """Use other images than those that compose builds here."""
        self._environment["NEXUS_TAG"] = tag
        for name in STORES:
            del self._environment[name]

    def __call__(self, *arguments: str) -> Outcome:
        return run([*self._command, *arguments], ROOT, self._environment)


def version_1() -> Compose:
    found = shutil.which("docker-compose")
    version = run([found, "version", "--short"], ROOT).out.strip() if found else "none"
    if version != "1.29.2":
        pytest.skip(f"docker-compose 1.29.2 is not installed; found {version}")
    return Compose("docker-compose 1.29.2", ["docker-compose"], {})


def version_2() -> Compose:
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        pytest.skip("compose v2 of Debian 13 is unpacked by mmdebstrap, as root")
    return Compose("docker compose v2", ["docker", "compose"], {"DOCKER_CONFIG": str(docker_config())})


@pytest.fixture(params=[version_1, version_2], ids=["v1", "v2"])
def compose(request: pytest.FixtureRequest) -> Compose:
    made: Compose = request.param()
    return made


@pytest.fixture
def images() -> Iterator[list[str]]:
    """The names of the images that compose builds here; removed again, the layers stay in the cache."""
    engine.remove_images(OWN_IMAGES)
    yield OWN_IMAGES
    engine.remove_images(OWN_IMAGES)


def test_compose_file_is_understood_without_a_word_of_complaint(compose: Compose) -> None:
    assert compose("config", "--quiet") == Outcome(0, "", "")
    compose.set(COMPOSE_PROFILES=PROFILES)
    assert sorted(compose("config", "--services").out.split()) == sorted(process.name for process in load().stated)


def published(compose: Compose) -> set[tuple[str, str, str]]:
    """Return address, port of the host and port of the container of all published ports; each version writes its own form."""
    document = compose("config").out
    long = re.findall(r"host_ip: (\S+)\n +target: (\d+)\n +published: \"(\d+)\"", document)
    short = re.findall(r"^ +- (\S+):(\d+):(\d+)/tcp$", document, re.MULTILINE)
    assert len(document.split("ports:")) - 1 == len(long or short)
    return {(address, host, container) for address, container, host in long} | set(short)


def test_ports_are_published_for_this_machine_only_unless_a_setting_names_an_address(compose: Compose) -> None:
    assert published(compose) == {("127.0.0.1", "18002", "8000"), ("127.0.0.1", "13002", "3000")}
    compose.set(NEXUS_PUBLISH_ADDRESS="0.0.0.0")
    assert published(compose) == {("0.0.0.0", "18002", "8000"), ("0.0.0.0", "13002", "3000")}


def test_every_service_has_time_to_drain_and_to_finish_its_work(compose: Compose) -> None:
    compose.set(COMPOSE_PROFILES=PROFILES)
    document = compose("config").out
    drains = [int(seconds) for seconds in re.findall(r"^      NEXUS_DRAIN_SECONDS: ['\"](\d+)", document, re.MULTILINE)]
    graces = [int(seconds) for seconds in re.findall(r"^    stop_grace_period: (\d+)s$", document, re.MULTILINE)]
    assert (len(drains), len(graces)) == (len(load().apps), len(load().stated))
    assert min(graces) > max(drains) + 22


def test_connections_of_three_replicas_fit_into_the_database(compose: Compose) -> None:
    compose.set(COMPOSE_PROFILES=PROFILES)
    document = compose("config").out
    (limit,) = (int(number) for number in re.findall(r"max_connections=(\d+)$", document, re.MULTILINE))
    assert document.count("NEXUS_POSTGRES_URL: ") == len(CONNECTIONS) + 1
    others = CONNECTIONS_OF_THE_SUPERUSER + CONNECTIONS_OF_A_BACKUP + CONNECTIONS_OF_THE_TRAINER
    assert REPLICAS * sum(CONNECTIONS.values()) + others == limit
    processes = {int(number) for number in re.findall(r"pids_limit: (\d+)", document)}
    assert limit + 50 <= max(processes)


def test_the_override_for_a_language_model_adds_its_key_and_a_network_that_leads_out(compose: Compose) -> None:
    compose.add(LLM_FILE)
    assert compose("config", "--quiet").status != 0  # without a model and its prices
    prices = dict.fromkeys(("NEXUS_LLM_PRICE_INPUT", "NEXUS_LLM_PRICE_CACHED", "NEXUS_LLM_PRICE_OUTPUT"), "0")
    compose.set(OPENAI_API_KEY_FILE="/keys/openai", NEXUS_LLM_MODEL="a-model", **prices)
    assert compose("config", "--quiet") == Outcome(0, "", "")
    document = compose("config").out
    assert document.count("OPENAI_API_KEY_FILE: ") == document.count("NEXUS_LLM_MODEL: a-model") == 1
    assert len(re.findall(r"^      outside: ", document, re.MULTILINE)) == 1
    secrets = re.findall(r"source: (classification_\w+|openai_\w+)$", document, re.MULTILINE)
    assert {"openai_api_key", "classification_db_password", "classification_redis_password"} <= set(secrets)


@pytest.mark.usefixtures("bases")
def test_every_image_builds(compose: Compose, images: list[str], figures: Figures) -> None:
    outcome = compose("build")
    assert outcome.status == 0, outcome.out + outcome.err
    built = [image for image in images if docker.image_id(image) is not None]
    figures.at_least(f"images that {compose.name} builds", len(built), len(images))
    assert built == images


@pytest.mark.usefixtures("tag")
@pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")
def test_both_versions_make_the_same_containers() -> None:
    first, second = (created(version()) for version in (version_1, version_2))
    assert first == second


@pytest.mark.usefixtures("tag")
@pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")
def test_the_override_gives_the_classifier_a_gpu_and_nobody_else(compose: Compose) -> None:
    compose.add(GPU_FILE, NEXUS_GPU_IMAGE=f"classification-service:{TAG_OF_PACK}")
    assert compose("config", "--quiet") == Outcome(0, "", "")
    devices = {name: document["DeviceRequests"] for name, document in created(compose).items()}
    assert {name: requests for name, requests in devices.items() if requests} == {
        "classification-service": [("nvidia", 1, [["gpu", "compute", "utility"]])]
    }


def created(compose: Compose) -> dict[str, dict[str, object]]:
    """Let a version create the containers from the images of `make build`; return what each is held to."""
    compose.use_images_of(TAG_OF_PACK)
    try:
        outcome = compose("up", "--no-start", "--no-build")
        assert outcome.status == 0, outcome.err
        return {process.name: held(process.name) for process in load().processes}
    finally:
        compose("down", "--volumes")


def held(service: str) -> dict[str, object]:
    (container,) = engine.containers(PROJECT, service)
    document = engine.inspect(container)
    return {
        **{name: document["HostConfig"][name] for name in HELD},
        "User": document["Config"]["User"],
        "DeviceRequests": [
            (request["Driver"], request["Count"], request["Capabilities"])
            for request in document["HostConfig"]["DeviceRequests"] or []
        ],
        "Environment": sorted(document["Config"]["Env"]),
        "Command": document["Config"]["Cmd"],
        "Mounts": sorted(mount["Destination"] for mount in document["Mounts"]),
    }
