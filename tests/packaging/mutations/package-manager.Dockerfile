# A package manager.
# different: file owners, operating-system files, package manager
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/usr/local/bin/pip3'); p.touch(0o755)"]
USER 10001:10001
