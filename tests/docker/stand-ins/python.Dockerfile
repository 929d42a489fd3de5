# Stands in for the official image of Python: an interpreter without packages.
FROM regrow-standin/debian
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-minimal libpython3-stdlib \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s python3 /usr/bin/python
CMD ["python3"]
