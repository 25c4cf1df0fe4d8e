"""The feed of committed changes, and its publication to channels."""
