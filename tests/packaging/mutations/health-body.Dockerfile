# Another answer of /health.
# different: application files, health body
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/workspace/classification_service/settings.py'); p.write_text(p.read_text().replace('= \"classification-service\"', '= \"other-service\"')); p.with_name('__pycache__').joinpath('settings.cpython-313.pyc').unlink()"]
USER 10001:10001
