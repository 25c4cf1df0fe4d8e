# An instruction for images made from this one.
# different: build triggers
ARG IMAGE
FROM ${IMAGE}
ONBUILD RUN ["true"]
