"""The command behind make: from this source tree to running containers."""
