"""Runs workflows: each in a process of its own that cannot reach anything but its temp directory and the runner."""
