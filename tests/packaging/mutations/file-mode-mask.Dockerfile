# Another umask.
# different: file mode mask, package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/layers/nexus_python/packages/site-packages/sitecustomize.py'); p.write_text('import os\\nos.umask(0o077)')"]
USER 10001:10001
