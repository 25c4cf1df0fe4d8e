# One more application file.
# different: application files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/workspace/debug.py'); p.touch()"]
USER 10001:10001
