"""The compose file is written by hand, and states what project.toml states: services, workers, ports, limits, replicas."""

from dataclasses import replace

import pytest
from harness.compose_file import of_compose_file, of_project

from nexusctl.workspace import COMPOSE_FILE, Limits, Worker, load

COMPOSE = COMPOSE_FILE.read_text()
RELAY = Worker("relay", "dataflow-service", "dataflow-service", "relay", 30, Limits("256m", 0.5, 50), replicas=2)
WITH_RELAY = replace(load(), workers=(*load().workers, RELAY))
RELAY_ENTRY = """services:
  relay:
    <<: *service
    image: dataflow-service:${NEXUS_TAG:-latest}
    entrypoint: [/cnb/process/relay]
    networks: [backend]
    environment:
      <<: *settings
      NEXUS_HEARTBEAT_SECONDS: "30"
    deploy: {replicas: 2}
    mem_limit: 256m
    cpus: 0.5
    pids_limit: 50

"""
COMPOSE_WITH_RELAY = COMPOSE.replace("services:\n", RELAY_ENTRY, 1)


def test_compose_file_states_what_project_toml_states() -> None:
    assert of_compose_file(COMPOSE) == of_project(load())


def test_a_worker_is_stated_alike_in_both() -> None:
    assert of_compose_file(COMPOSE_WITH_RELAY) == of_project(WITH_RELAY)


@pytest.mark.parametrize(
    ("before", "after", "process", "what"),
    [
        ("    mem_limit: 256m\n", "    mem_limit: 1g\n", "relay", "limits"),
        ("    mem_limit: 256m\n", "", "relay", "limits"),
        ("    cpus: 0.5\n", "    cpus: 2\n", "relay", "limits"),
        ("    cpus: 0.5\n    pids_limit: 50\n", "    cpus: 0.5\n", "relay", "limits"),
        ("    deploy: {replicas: 2}\n", "", "relay", "replicas"),
        ('SECONDS: "30"', 'SECONDS: "60"', "relay", "heartbeat seconds"),
        ('PORT: "3100"', 'PORT: "3101"', "workflow-runner", "port"),
        ("    profiles: [training]\n", "", "classification-trainer", "profiles"),
        ('user: "10002:10002"', 'user: "10001:10001"', "workflow-runner", "user"),
        ("[/cnb/process/relay]", "[/cnb/process/web]", "relay", "command"),
        ("  relay:\n    <<: *service\n", "  relay:\n    <<: *other\n", "relay", "held as"),
        (
            "  relay:\n    <<: *service\n    image: d",
            "  relay:\n    <<: *service\n    image: other-d",
            "relay",
            "image",
        ),
        ('PORT: "8002"', 'PORT: "8003"', "classification-service", "port"),
        (
            '      PORT: "8002"\n',
            '      PORT: "8002"\n    ports: ["${X:-1}:8002"]\n',
            "classification-service",
            "published",
        ),
    ],
)
def test_a_difference_is_seen(before: str, after: str, process: str, what: str) -> None:
    assert COMPOSE_WITH_RELAY.count(before) == 1
    stated, right = of_compose_file(COMPOSE_WITH_RELAY.replace(before, after)), of_compose_file(COMPOSE_WITH_RELAY)
    assert {(name, key) for name in right for key in right[name] if stated[name][key] != right[name][key]} == {
        (process, what)
    }


def test_a_process_that_only_one_of_both_has_is_seen() -> None:
    assert of_compose_file(COMPOSE_WITH_RELAY).keys() - of_project(load()).keys() == {"relay"}
