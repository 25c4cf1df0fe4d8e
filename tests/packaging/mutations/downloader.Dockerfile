# A program that downloads.
# different: downloader, file owners, operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/usr/bin/curl'); p.touch(0o755)"]
USER 10001:10001
