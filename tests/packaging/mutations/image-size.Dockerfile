# A larger image.
# different: file owners, image size, operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/usr/share/ballast'); p.write_bytes(bytes(40_000_000))"]
USER 10001:10001
