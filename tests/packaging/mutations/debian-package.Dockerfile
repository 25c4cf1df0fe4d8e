# Another version of a Debian package.
# different: Debian packages, operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/var/lib/dpkg/status.d/libffi8'); p.write_text(p.read_text().replace('\\nVersion: ', '\\nVersion: 9', 1))"]
USER 10001:10001
