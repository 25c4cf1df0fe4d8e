# Another option of the process.
# different: entrypoint, process command
ARG IMAGE
FROM ${IMAGE}
ENTRYPOINT ["/cnb/lifecycle/launcher", "--", "python3", "-q", "-m", "classification_service"]
