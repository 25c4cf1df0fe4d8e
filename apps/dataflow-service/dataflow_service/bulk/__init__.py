"""Many rows in one request: written from JSON arrays, NDJSON and CSV, and exported as the latter two."""
