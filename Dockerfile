# The gateway's image (last target, the default) and the stand-in vovserver's (target standin, for the demo profile).
FROM node:24-bookworm-slim AS base
WORKDIR /app

# Compiles with everything that development needs. No package needs its install script here.
FROM base AS build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM base AS dependencies
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev

FROM build AS standin
COPY standin ./standin
COPY deploy/*.ts ./deploy/
USER 1000:1000
CMD ["node", "standin/main.ts"]

FROM base AS gateway
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vov-gateway" \
      org.opencontainers.image.description="One hardened endpoint in front of Altair Accelerator's vovserver REST API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# npm is not needed to run, so what may be found in it later is no matter for this image.
RUN chmod 755 dist/main.js && ln -s /app/dist/main.js /usr/local/bin/vovgw \
 && rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* \
           /usr/local/bin/yarn /usr/local/bin/yarnpkg
# The user `node` of the base image, as numbers, so that a cluster can see that it is not root.
USER 1000:1000
EXPOSE 8443 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "dist/main.js", "health"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
