"""Reproducible builds: the same tree results in the same image layers, whoever builds it, when and where."""
