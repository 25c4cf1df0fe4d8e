# Another version of a wheel.
# different: distributions, package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = next(__import__('pathlib').Path('/layers/nexus_python/packages/site-packages').glob('idna-*.dist-info/METADATA')); p.write_text(p.read_text().replace('\\nVersion: ', '\\nVersion: 1!', 1))"]
USER 10001:10001
