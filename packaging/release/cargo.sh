# Sourced by the scripts here: what Cargo.toml says about the package.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

cargo_member() {
    sed -n "/^\[package\]/,/^\[[^p]/s/^$1 = \"\(.*\)\"\$/\1/p" "$root/Cargo.toml"
}

name=$(cargo_member name)
version=$(cargo_member version)

fail() {
    echo "error: $*" >&2
    exit 1
}
