# One more distribution.
# different: distributions, package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/layers/nexus_python/packages/site-packages/extra-1.0.dist-info'); p.mkdir(); (p / 'METADATA').write_text('Metadata-Version: 2.1\\nName: extra\\nVersion: 1.0\\n')"]
USER 10001:10001
