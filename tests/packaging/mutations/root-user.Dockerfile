# Root as the user.
# different: user, user and groups
ARG IMAGE
FROM ${IMAGE}
USER 0:0
