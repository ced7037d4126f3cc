# Two images: `docker build --target operator .` and `docker build --target worker .`
#
# Build arguments:
#   BASE             a Debian image with Python 3.11 or newer
#   TORCH_INDEX_URL  package index for torch alone, such as PyTorch's own with CPU builds; empty: the usual index
#
# Dependencies come before the project's own code, which is the last and small layer: a change of it rebuilds, pushes
# and pulls a megabyte, not torch.
ARG BASE=python:3.11-slim-bookworm

# --- The project as a wheel ------------------------------------------------------------------------------------------
FROM ${BASE} AS tools
RUN python3 -m venv /opt/build && \
    /opt/build/bin/pip install --no-cache-dir hatchling prometheus-client nvidia-ml-py && \
    python3 -m venv /opt/venv

FROM tools AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY operator operator
COPY worker worker
COPY dashboards/*.json dashboards/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# --- What each image depends on --------------------------------------------------------------------------------------
# Only the lists of dependencies leave this stage: another change of pyproject.toml installs nothing anew.
FROM ${BASE} AS requirements
WORKDIR /src
COPY pyproject.toml ./
RUN python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    [open(f'{extra}.txt', 'w').write('\n'.join(p['dependencies'] + sum((p['optional-dependencies'][e] \
    for e in extras), []))) for extra, extras in {'operator': ('operator', 'otlp'), 'worker': ('worker', 'images', 'text', 'onnx', 'stores', 'dask')}.items()]"

# Bytecode is compiled here, since the root file system of a running container cannot be written to, and is not compared
# with its sources, whose times a builder may change.
FROM ${BASE} AS dependencies
WORKDIR /src
RUN python3 -m venv /opt/venv && /opt/venv/bin/python -c "import site; print(site.getsitepackages()[0])" > /site && \
    echo /opt/wattrain/lib > "$(cat /site)/wattrain.pth"
ENV PATH=/opt/venv/bin:$PATH

FROM dependencies AS operator-dependencies
COPY --from=requirements /src/operator.txt ./
RUN /opt/venv/bin/pip install --no-cache-dir --no-compile -r operator.txt && \
    /opt/venv/bin/pip uninstall --yes pip setuptools && \
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$(cat /site)"

# torch brings a few files in the syntax of newer Pythons, which do not compile and are never imported.
FROM dependencies AS worker-dependencies
ARG TORCH_INDEX_URL=
COPY --from=requirements /src/worker.txt ./
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        /opt/venv/bin/pip install --no-cache-dir --no-compile --index-url "$TORCH_INDEX_URL" torch; \
    fi && \
    /opt/venv/bin/pip install --no-cache-dir --no-compile -r worker.txt && \
    /opt/venv/bin/pip uninstall --yes pip && \
    { python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash "$(cat /site)" || true; }

# --- The project's own code, and the supervisor as one file for images that have nothing of it ----------------------
FROM wheel AS project
RUN /opt/venv/bin/pip install --no-cache-dir --no-compile --no-deps --target /opt/wattrain/lib /wheels/*.whl && \
    python3 -m compileall -q --invalidation-mode unchecked-hash /opt/wattrain/lib && \
    PYTHONPATH=/opt/wattrain/lib /opt/build/bin/python -m wattrain_worker.bundle /opt/wattrain/wattrain-worker.pyz

# --- Images ----------------------------------------------------------------------------------------------------------
FROM ${BASE} AS operator
COPY --from=operator-dependencies /opt/venv /opt/venv
COPY --from=project /opt/wattrain /opt/wattrain
ENV PATH=/opt/venv/bin:/opt/wattrain/lib/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 8081
ENTRYPOINT ["/opt/venv/bin/python", "-P", "-m", "wattrain_operator.cluster"]

# Not a copy: with torch that would be six gigabytes more on the builder's disk.
FROM worker-dependencies AS worker
COPY --from=project /opt/wattrain /opt/wattrain
ENV PATH=/opt/venv/bin:/opt/wattrain/lib/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 9400
ENTRYPOINT ["wattrain-worker"]
