# Another answer of /health.
# different: application files, health body
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/workspace/classification_service/__init__.py'); p.write_text(p.read_text().replace('0.2.0', '0.2.1')); p.with_name('__pycache__').joinpath('__init__.cpython-313.pyc').unlink()"]
USER 10001:10001
