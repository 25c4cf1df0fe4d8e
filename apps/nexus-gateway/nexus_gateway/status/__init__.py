"""State of all services of the stack."""
