"""The gateway as OAuth authorization server: its key, its clients, and the grants by which tokens are issued."""
