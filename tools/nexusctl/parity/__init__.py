"""Parity: whether two images are equal in content, metadata and behaviour.

observe (filesystem, metadata, behaviour) -> compare with the allow list -> report. docs/concepts/parity.md lists the points.
"""
