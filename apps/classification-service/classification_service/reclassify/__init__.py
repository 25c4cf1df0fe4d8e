"""Items with codes of one version of a taxonomy, in another one."""
