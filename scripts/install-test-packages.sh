#!/bin/sh
# Debian and Ubuntu packages that test/real and the benchmark use: real clients,
# load generators, the proxies that Heddle is compared with, and the compiler of bpf/.
set -eu
packages='bind9-dnsutils bind9-host dnsmasq-base nginx-light haproxy wrk wget perl-base nghttp2-client nghttp2-server nghttp2-proxy curl python3 iproute2 util-linux procps clang-14 llvm-14 libbpf-dev linux-libc-dev'
packages="$packages lld-14 libnginx-mod-http-lua redis-server redis-tools postgresql postgresql-client openssl chromium docker-registry python3-uvicorn apache2-bin"
missing=''
for package in $packages; do
  # Any flavour of nginx will do.
  case $package in nginx-light) command -v nginx >/dev/null 2>&1 && continue ;; esac
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "all test packages are installed"
  exit 0
fi
sudo=''
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
# The packages start their servers when installed; they are only wanted as programs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$sudo rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
  $sudo chmod +x "$policy"
fi
# shellcheck disable=SC2086
$sudo apt-get install -qy --no-install-recommends $missing
