"""Requests that their clients may repeat: the second has the answer of the first, and no effect of its own."""
