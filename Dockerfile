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
RUN npm run build
# Node is linked against a handful of libraries: with these it runs on an empty root
RUN mkdir -p /root-fs/usr/local/bin /root-fs/opt/spillway /root-fs/tmp \
 && cp "$(command -v node)" /root-fs/usr/local/bin/node \
 && ldd "$(command -v node)" | sed -n 's/.*\( \|\t\)\(\/[^ ]*\) (0x.*/\2/p' | xargs -I{} cp -L --parents {} /root-fs \
 && cp -r dist package.json LICENSE /root-fs/opt/spillway/

FROM scratch
LABEL org.opencontainers.image.title="spillway" \
      org.opencontainers.image.description="Memory-pressure guardian for LLM agents" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /root-fs /
ENV PATH=/usr/local/bin NODE_ENV=production
# Numeric, so that runAsNonRoot can be checked; in a pod take the agent's uid and gid.
USER 65532:65532
EXPOSE 9797
ENTRYPOINT ["node", "/opt/spillway/dist/spillway.js"]
CMD ["guard"]
