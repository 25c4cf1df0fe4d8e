# A file with a capability.
# different: file capability
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "__import__('os').setxattr('/usr/bin/python3.13', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))"]
USER 10001:10001
