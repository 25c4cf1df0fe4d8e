"""The error that stops a service at start-up."""


class ConfigurationError(Exception):
    """Something the operator must mend before the service can run; ends the process with exit status 78."""
