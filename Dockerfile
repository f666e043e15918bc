# Sokoul: one image for all of its processes. The command says which: serve, scout, hunter, bot, relay, setup, or any other
# of manage.py. What is missing in the configuration ends it at once, with one line a fault.
#
# The base is pinned by tag. Pin it by digest where you build for others: `docker buildx imagetools inspect` tells it.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY requirements/base.txt /tmp/base.txt
# Wheels alone, by hash: nothing is compiled here and nothing else is run. The environment itself needs no pip.
RUN python -m venv --without-pip /opt/venv && \
    python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes -r /tmp/base.txt
WORKDIR /sokoul
COPY manage.py ./
COPY sokoul sokoul
COPY apps apps
COPY templates templates
COPY static static
COPY locale locale
# Byte code is made here, because the containers' file systems are read-only.
RUN DATA_DIR=/data /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 && \
    /opt/venv/bin/python -m compileall -q manage.py sokoul apps

FROM ${BASE}
RUN groupadd --gid 10001 sokoul && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data sokoul
COPY --from=build /opt/venv /opt/venv
COPY --from=build /sokoul /sokoul
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BIND=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data \
    DEMO=off
WORKDIR /sokoul
USER 10001:10001
VOLUME /data
EXPOSE 3000 6881/tcp 6881/udp
# Of the web; docker-compose.yml gives the workers theirs. Their end after SIGTERM takes 60 s at most: allow 75.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/health', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "manage.py"]
CMD ["serve"]
