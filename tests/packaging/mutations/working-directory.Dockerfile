# Another working directory.
# different: application files, operating-system files, working directory
ARG IMAGE
FROM ${IMAGE}
WORKDIR /home/nexus
