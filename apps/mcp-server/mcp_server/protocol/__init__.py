"""The Model Context Protocol: messages, revisions, methods. Knows no transport."""
