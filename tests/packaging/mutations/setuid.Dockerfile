# A setuid file.
# different: file owners, operating-system files, setuid or setgid
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/usr/bin/helper'); p.touch(); p.chmod(0o4755)"]
USER 10001:10001
