# Another way to start.
# different: entrypoint
ARG IMAGE
FROM ${IMAGE}
ENTRYPOINT ["/cnb/lifecycle/launcher", "--", "python3", "-m", "classification_service"]
