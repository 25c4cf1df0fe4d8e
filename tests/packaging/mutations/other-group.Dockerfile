# Another group.
# different: user, user and groups
ARG IMAGE
FROM ${IMAGE}
USER 10001:0
