# genrec as a service. Two stages: one builds the wheel and installs it, one runs it.
#
#   docker build --tag genrec .                                             on a CPU
#   docker build --tag genrec --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 \
#       --build-arg TORCH=torch==2.13.0 .                                   with CUDA
#
# A run's folder is mounted at /runs; nothing of yours is inside the image.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH=torch==2.13.0
ARG EXTRAS=llm,serve,postgres,creatives,ads,report
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/genrec
ENV PATH=/opt/genrec/bin:$PATH
COPY constraints.txt ./
# torch first and from its own index: another brings several GB of CUDA builds with it. Versions
# stand in constraints.txt.
# hadolint ignore=DL3013
RUN pip install --index-url "$TORCH_INDEX" "$TORCH" \
    && pip install --constraint constraints.txt hatchling build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY prompts prompts
COPY recipes recipes
COPY campaigns campaigns
COPY checkpoints checkpoints
COPY genrec genrec
RUN python -m build --wheel --no-isolation --outdir /dist \
    && pip install --constraint constraints.txt "$(ls /dist/genrec-*.whl)[$EXTRAS]" \
    && pip uninstall --yes build hatchling \
    && python -m compileall -q /opt/genrec

FROM python:${PYTHON} AS serve
LABEL org.opencontainers.image.title="genrec" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 genrec \
    && useradd --system --uid 10001 --gid genrec --create-home --shell /usr/sbin/nologin genrec \
    && install --directory --owner genrec --group genrec /runs /keys
COPY --from=build /opt/genrec /opt/genrec
ENV PATH=/opt/genrec/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    GENREC_CACHE=/runs/.cache
# By number, so that a cluster can tell that it is not root.
USER 10001:10001
WORKDIR /runs
EXPOSE 8000
VOLUME ["/runs", "/keys"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["genrec"]
CMD ["serve", "/runs/current", "--host", "0.0.0.0", "--keys", "/keys/keys.json"]
