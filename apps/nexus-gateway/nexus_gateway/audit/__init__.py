"""The audit log: who did what, on what, from where and with which outcome. Rows are only added, and chained by hashes."""
