"""Tools for AI agents over the Model Context Protocol."""

__version__ = "0.3.0"
