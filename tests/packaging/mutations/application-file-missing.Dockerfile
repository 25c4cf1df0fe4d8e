# An application file that is gone.
# different: application files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/workspace/classification_service/progress.py'); p.unlink()"]
USER 10001:10001
