"""Limits of one worker process, derived from the 512 MiB that the container has."""

from nexus_chassis.limits import MIB, Limits

MAX_MESSAGE_BYTES = MIB
"""Bytes of one message or batch, on either transport. As Python objects it takes up to 12 times as much."""

MAX_ANSWER_BYTES = 5 * MIB
"""Bytes of one answer of another service: a page of dataflow-service has at most 4 MiB."""

LIMITS = Limits(body_bytes=12 * MIB)
"""Messages and answers above 64 KiB share `body_bytes`; one answer must fit into the half that one principal gets."""
