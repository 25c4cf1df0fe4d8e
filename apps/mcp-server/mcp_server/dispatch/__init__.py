"""Which handler answers a request, and what the handler knows about it."""
