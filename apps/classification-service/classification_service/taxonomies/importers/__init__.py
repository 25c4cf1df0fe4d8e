"""Readers of the official files of taxonomies. Each yields records as it reads, so that memory does not grow with the file."""
