"""The nexus/accelerator buildpack: for applications that ask for an accelerator by BP_NEXUS_ACCELERATOR.

It installs with nexus_python, which `make builder` puts beside this package.
"""

VERSION = "0.1.0"
VARIABLE = "BP_NEXUS_ACCELERATOR"
