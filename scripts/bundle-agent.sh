#!/bin/sh
# The agent in a few files below dist/agent: of a thousand, reading each is most of a start, and a request may be
# waiting for it. npm runs this after `npm install`. What belongs to the package is two folders up, as it is from src/.
set -eu
cd "$(dirname "$0")/.."
esbuild=node_modules/.bin/esbuild
if [ ! -x "$esbuild" ]; then
  echo 'bundle-agent: no esbuild, so bin/heddle runs the sources'
  exit 0
fi
rm -rf dist/agent
exec "$esbuild" src/cli/main.ts src/daemon/worker.ts src/kernel/keeper/keeper-process.ts \
  --bundle --splitting --packages=external --format=esm --platform=node --target=node26 \
  --outdir=dist/agent --entry-names='[name]' --chunk-names='[hash]' --log-level=warning
