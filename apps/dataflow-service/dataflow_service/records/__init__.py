"""Rows of the models over HTTP: create, read, list, count, change, replace, delete."""
