# One certificate authority less.
# different: certificate authorities, operating-system files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/etc/ssl/certs/ca-certificates.crt'); end = '-----END CERTIFICATE-----\\n'; p.write_text(p.read_text().split(end, 1)[1])"]
USER 10001:10001
