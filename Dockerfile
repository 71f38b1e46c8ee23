# The weight decay lab as a container: `docker build -t wdviz .`, then `docker run --read-only --tmpfs /tmp -p 8501:8501 wdviz`.
# HOSTING.md says the rest. To build again exactly the same, name the base by its digest: --build-arg BASE=python:3.11-slim@sha256:...
ARG BASE=python:3.11-slim

FROM ${BASE} AS packages
WORKDIR /build
COPY requirements.txt ./
# The packages' own tests are an eighth of their size. This stage ends here, and pip with it.
RUN python -m venv /opt/wdviz \
 && /opt/wdviz/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt \
 && /opt/wdviz/bin/pip uninstall --yes pip setuptools \
 && find /opt/wdviz/lib -type d -name tests -prune -exec rm -r {} +

FROM ${BASE}
# Number 1000 is the user that Hugging Face Spaces runs containers as.
RUN groupadd --gid 1000 wdviz \
 && useradd --uid 1000 --gid 1000 --create-home --shell /usr/sbin/nologin wdviz \
 && install --directory --owner wdviz --group wdviz /var/cache/wdviz
COPY --from=packages /opt/wdviz /opt/wdviz
# Files of the program belong to root: the server cannot change them.
WORKDIR /app
COPY LICENSE app.py ./
COPY .streamlit/config.toml .streamlit/
COPY assets assets
COPY pages pages
COPY wdviz wdviz
ENV PATH=/opt/wdviz/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WDVIZ_CACHE=/var/cache/wdviz \
    WDVIZ_AHEAD=all
RUN python -m compileall -q pages wdviz
USER 1000:1000
# Compiled programs are found again on processors with the same features as this machine's. On others the server compiles its own
# at the start, before it says that it is healthy. That folder stays writable where the rest of the file system is read-only.
RUN python -m wdviz.serving.warmup
VOLUME /var/cache/wdviz

EXPOSE 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# With an address for browsers, Streamlit does not ask a host on the internet for its own.
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--browser.serverAddress=localhost"]
