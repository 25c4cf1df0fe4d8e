# One byte of a package's file.
# different: package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/layers/nexus_python/packages/site-packages/idna/core.py'); b = bytearray(p.read_bytes()); b[-2] ^= 1; p.write_bytes(b)"]
USER 10001:10001
