# A process that ends at once.
# different: Python, capabilities, certificate authorities, distributions, entrypoint, exit on SIGTERM, file mode mask, health body, health status, import path, listening ports, memory, open files, privileges, process command, process environment, process working directory, start to first 200, state, text encoding, time zone, user and groups, writable paths
ARG IMAGE
FROM ${IMAGE}
ENTRYPOINT ["/usr/bin/python3", "-c", "raise SystemExit(3)"]
