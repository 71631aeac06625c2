#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: browsers, a TURN server,
# reverse proxies and npm, from Debian's packages; a C compiler for the race detector;
# and tools to test terminals, networks, alerts, units and packages with.
set -euo pipefail

declare -A packages=(
  [chromium]=chromium
  [firefox-esr]=firefox-esr
  [turnserver]=coturn
  [nginx]=nginx
  [caddy]=caddy
  [buildah]=buildah
  [haproxy]=haproxy
  [gcc]=gcc
  [npm]=npm
  [ip]=iproute2
  [script]=bsdutils
  [promtool]=prometheus
  [systemd-analyze]=systemd
  [rpm]=rpm
  [man]=man-db
  [zip]=zip
  [jq]=jq
  [python3]=python3
  [envsubst]=gettext-base
)

missing=()
for command in "${!packages[@]}"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null || missing+=("${packages[$command]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "The tests need ${missing[*]}: install them, or run the tests on Debian or Ubuntu." >&2
  exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
  sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
# The packages' own services are not wanted: tests start what they need themselves.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
  $sudo chmod +x /usr/sbin/policy-rc.d
  trap '$sudo rm -f /usr/sbin/policy-rc.d' EXIT
fi
echo "installing ${missing[*]}"
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
