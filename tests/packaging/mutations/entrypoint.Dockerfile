# No launcher.
# different: ?
ARG IMAGE
FROM ${IMAGE}
ENTRYPOINT ["/usr/bin/python3", "-m", "classification_service"]
