# Another Python.
# different: Python, operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/usr/bin/python3.13'); b = p.read_bytes().replace(b'3.13.5', b'3.13.4'); p.unlink(); p.write_bytes(b); p.chmod(0o755)"]
USER 10001:10001
