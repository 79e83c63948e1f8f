#!/usr/bin/env bash
# Installs the programs that the end-to-end tests and the benchmarks drive, where this is root on
# Debian. Elsewhere it says what is missing: the tests that need it are then skipped.
set -euo pipefail

# command:package
parts=(
    docker-registry:docker-registry
    skopeo:skopeo
    docker:docker.io
    dockerd:docker.io
    containerd:containerd
    ctr:containerd
    runc:runc
    busybox:busybox-static
    podman:podman
    wrk:wrk
    chromium:chromium # its fontconfig brings a font
    openssl:openssl
    pg_ctlcluster:postgresql-common
    postgres:postgresql
    nginx:nginx
    caddy:caddy
    docker-compose:docker-compose
    promtool:prometheus
    systemd-analyze:systemd
    systemd-sysusers:systemd
    systemd-tmpfiles:systemd
)

missing=()
packages=()
find_missing() {
    local part folder PATH=$PATH
    # Debian keeps the programs of each version of PostgreSQL's server in a folder of their own.
    for folder in /usr/lib/postgresql/*/bin; do
        PATH+=:$folder
    done
    missing=() packages=()
    for part in "${parts[@]}"; do
        if ! command -v "${part%%:*}" >/dev/null; then
            missing+=("${part%%:*}")
            packages+=("${part##*:}")
        fi
    done
}

say_missing() {
    echo "End-to-end tests: $1; missing: ${missing[*]}"
    exit 0
}

# The packages bring services, one of them on the mirror's own port. The tests start these programs
# themselves, each in a folder of its own, so a service that was not here before stays off.
policy=/usr/sbin/policy-rc.d
hold_services() {
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
}

units_of() {
    dpkg -L "$1" 2>/dev/null | sed -n 's|^\(/usr\)\?/lib/systemd/system/||p'
}

disable_services() {
    local package unit
    command -v systemctl >/dev/null || return 0
    for package in "${packages[@]}"; do
        for unit in $(units_of "$package"); do
            systemctl disable --quiet "$unit" 2>/dev/null || true
        done
    done
}

find_missing
[[ ${#missing[@]} -eq 0 ]] && exit 0
[[ -e /etc/debian_version ]] && command -v apt-get >/dev/null || say_missing "this is no Debian"
[[ $EUID -eq 0 ]] || say_missing "only root can install packages"

hold_services
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "End-to-end tests: the package lists could not be renewed"
apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null ||
    echo "End-to-end tests: some packages could not be installed: ${packages[*]}"
disable_services

find_missing
[[ ${#missing[@]} -eq 0 ]] || say_missing "not everything could be installed"
