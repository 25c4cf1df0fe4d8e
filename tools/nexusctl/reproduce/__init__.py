"""Whether the same tree gives the same image layers, whoever builds it, when, and wherever it lies."""
