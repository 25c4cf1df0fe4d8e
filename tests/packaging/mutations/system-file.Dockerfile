# Another file of the operating system.
# different: operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/etc/os-release'); p = p.resolve(); p.write_text(p.read_text() + 'X=1\\n')"]
USER 10001:10001
