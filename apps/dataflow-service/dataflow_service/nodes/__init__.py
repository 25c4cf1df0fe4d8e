"""Kailash's generated nodes: run over HTTP, in workflows and by direct call."""
