"""`make docs`: the pages under docs/reference, written from the code of services and tools."""
