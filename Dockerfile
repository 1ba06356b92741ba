# The guardian's image: Node, the bundle, and nothing else. No shell, no package manager, no node_modules.
# NODE_IMAGE is an argument so that a mirror or a stand-in can be used.
ARG NODE_IMAGE=docker.io/library/node:24-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# scripts stay off: the build is the next step, and no dependency needs one
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json esbuild.config.mjs LICENSE ./
COPY src src
COPY .ci/sbom .ci/sbom
RUN node esbuild.config.mjs --metafiles /build/metafiles.json
# Node is linked against a handful of libraries: with these it runs on an empty root. There is no /usr/bin/env, by which the
# command's first line would find it. It may be executed and not read: the kernel then keeps the guardian's environment, memory and
# files from other processes of its uid (it is not dumpable), which the agent and the tools it runs are.
RUN node=$(command -v node) root=/root-fs \
 && libraries=$(ldd "$node" | sed -n 's/.*[ \t]\(\/[^ ]*\) (0x.*/\1/p') \
 && mkdir -p "$root/usr/local/bin" "$root/opt/spillway" && mkdir -m 1777 "$root/tmp" \
 && cp "$node" "$root/usr/local/bin/node" && chmod 0111 "$root/usr/local/bin/node" \
 && echo "$libraries" | xargs -I{} cp -L --parents {} "$root" \
 && cp -r dist package.json LICENSE "$root/opt/spillway/" \
 && sed -i '1s|^#!.*|#!/usr/local/bin/node|' "$root/opt/spillway/dist/spillway.js" \
 && ln -s /opt/spillway/dist/spillway.js "$root/usr/local/bin/spillway" \
 && node .ci/sbom metafiles.json $libraries >"$root/opt/spillway/sbom.cdx.json"

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spillway" \
      org.opencontainers.image.description="Memory-pressure guardian for LLM agents" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /root-fs /
ENV PATH=/usr/local/bin NODE_ENV=production
# Numeric, so that runAsNonRoot can be checked; in a pod take the agent's uid and gid.
USER 65532:65532
EXPOSE 9797
ENTRYPOINT ["node", "/opt/spillway/dist/spillway.js"]
CMD ["guard"]
