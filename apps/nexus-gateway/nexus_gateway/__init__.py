"""The front door of the Nexus services: identity, sessions, routing, real time."""

__version__ = "0.3.0"
