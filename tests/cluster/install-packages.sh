#!/usr/bin/env bash
# Installs the Debian packages that tests need, and nothing else. Those of a real node of the test cluster:
#   containerd, runc             run the containers
#   containernetworking-plugins  connect pods to the network
#   iproute2, iptables           addresses, routes, and kube-proxy's rules
#   conntrack                    kube-proxy forgets connections with it
#   util-linux, openssl          namespaces and certificates
#   buildah, debootstrap         build the images on a base of their own
#   skopeo                       brings them to the node
# And those of the checks of metrics, rules and dashboards:
#   prometheus                   scrapes, evaluates rules and queries; brings promtool
#   chromium, fonts-dejavu-core  draw the page, and its letters
# No service is started or enabled: the tests run their own containerd, in namespaces of its own, and their own Prometheus.
# `make test` runs it, and goes on without where it cannot: 77 says that it needs root, or a machine with apt-get.
set -euo pipefail

packages=(
  containerd runc containernetworking-plugins iproute2 iptables conntrack util-linux openssl buildah debootstrap skopeo
  prometheus chromium fonts-dejavu-core
)
if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  echo "The packages that tests need can be installed for you on Debian and its kin only: ${packages[*]}" >&2
  exit 77
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo "All packages that tests need are installed."
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "Tests need packages that only root can install: sudo $0 installs ${missing[*]}" >&2
  exit 77
fi

# Debian starts a service right after its installation, unless this program says no.
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
lock_seconds=600
# Somebody else may be installing. apt has patience with dpkg's lock by itself, and none with that of its lists.
patient_apt() {
  local said waited=0
  until said=$(apt-get -o DPkg::Lock::Timeout="$lock_seconds" "$@" 2>&1 > /dev/null); do
    case $said in
      *"Could not get lock"* | *"Unable to lock"*) ;;
      *) waited=$lock_seconds ;;
    esac
    if [ "$waited" -ge "$lock_seconds" ]; then
      printf '%s\n' "$said" >&2
      return 1
    fi
    [ "$waited" -gt 0 ] || echo "Waiting until another apt has finished."
    sleep 2
    waited=$((waited + 2))
  done
}

echo "Installing what tests need: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
patient_apt update -qq
patient_apt install -qq --yes --no-install-recommends "${missing[@]}"
# Nor shall one start with the machine next time.
if command -v systemctl > /dev/null; then
  for package in "${missing[@]}"; do
    case $package in
      containerd | prometheus) systemctl disable --quiet "$package" ;;
    esac
  done
fi
