"""The table and a row of the model in registry/fixtures/every_type."""

from typing import Any

TABLE = """
CREATE TABLE instrument_readings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "text" text NOT NULL, flag boolean NOT NULL, whole bigint NOT NULL,
    "real" double precision NOT NULL, exact numeric NOT NULL, moment timestamptz NOT NULL, day date NOT NULL,
    key uuid NOT NULL, document jsonb NOT NULL, maybe bigint, also double precision,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    row_version bigint NOT NULL DEFAULT 1
)
"""
READING: dict[str, Any] = {
    "text": "x",
    "flag": True,
    "whole": 2**62,
    "real": 0.1,
    "exact": "12345678901234567890.0123456789",
    "moment": "2026-02-03T04:05:06.123456+02:00",
    "day": "2026-02-03",
    "key": "6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11",
    "document": {"a": [1]},
    "maybe": None,
}
