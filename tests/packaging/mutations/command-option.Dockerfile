# Another option of the process.
# different: process command
ARG IMAGE
FROM ${IMAGE}
CMD ["-v"]
