# An application file that everyone may write.
# different: application files, world-writable
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/workspace/classification_service/errors.py'); p.chmod(0o666)"]
USER 10001:10001
