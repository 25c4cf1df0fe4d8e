"""Several operations of nodes in one transaction: all of them or none."""
