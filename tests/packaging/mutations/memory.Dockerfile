# A process that takes more memory.
# different: memory, package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/layers/nexus_python/packages/site-packages/sitecustomize.py'); p.write_text(\"import sys\\nsys.modules['kept'] = b'x' * 60_000_000\")"]
USER 10001:10001
