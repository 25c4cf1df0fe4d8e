# One byte of an application file.
# different: application files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/workspace/classification_service/errors.py'); b = bytearray(p.read_bytes()); b[4] ^= 32; p.write_bytes(b)"]
USER 10001:10001
