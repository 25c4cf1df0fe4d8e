# A process that SIGTERM does not end.
# different: exit on SIGTERM, package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/layers/nexus_python/packages/site-packages/sitecustomize.py'); p.write_text('import signal\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\nsignal.signal = lambda *_: None')"]
USER 10001:10001
