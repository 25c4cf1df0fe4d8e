"""The nexus/python buildpack: a hash-pinned lock and a Procfile become launch layers and processes."""

__version__ = "0.1.0"
