"""Parity: whether two images are the same in what they hold, what they say of themselves, and what they do.

observe (filesystem, metadata, behaviour) -> compare with the allow list -> report. docs/parity.md lists the points.
"""
