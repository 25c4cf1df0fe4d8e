"""Tool calls that go on after they were answered (the extension io.modelcontextprotocol/tasks, SEP-2663)."""
