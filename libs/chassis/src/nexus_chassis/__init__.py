"""The microservice chassis that all Nexus services are built on."""

__version__ = "0.3.0"
