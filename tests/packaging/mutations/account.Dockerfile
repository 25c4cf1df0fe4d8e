# One more account.
# different: accounts, operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/etc/passwd'); p.write_text(p.read_text() + 'toor:x:0:0::/:/sbin/nologin\\n')"]
USER 10001:10001
