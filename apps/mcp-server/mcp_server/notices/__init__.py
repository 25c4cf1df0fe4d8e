"""Notices between the worker processes and replicas of this service."""
