#!/usr/bin/env bash
# A whole run on an engine with one project, and on the same engine with 300 foreign containers and 1,000 volumes more: median of N
# runs each, with a key that is accepted, and with one that is refused, so that volumes are looked into. Fails when the large engine
# takes more than 1.5 times as long. Needs a Docker engine with the images of tests/lab (see .ci/run), best one of its own: what
# else goes on there is measured, too.
#   benches/scale.sh [target/dist/convex-doctor] [N]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
doctor=$(realpath "${1:-$root/target/dist/convex-doctor}")
runs=${2:-10}
containers=300
volumes=1000

home=$(mktemp -d)
project=$home/scaleproject
mkdir "$project"
cd "$project"
cp "$root/tests/lab/docker-compose.yml" .
echo '{"dependencies":{"convex":"^1.48.0"}}' >package.json
export PORT=33230 SITE_PROXY_PORT=33231 DASHBOARD_PORT=36793
printf 'PORT=%s\nSITE_PROXY_PORT=%s\nDASHBOARD_PORT=%s\n' $PORT $SITE_PROXY_PORT $DASHBOARD_PORT >.env

tidy() {
    docker compose down -v -t 2 >/dev/null 2>&1
    docker ps -aq --filter label=scale-bench | xargs -r docker rm >/dev/null
    docker volume ls -q --filter label=scale-bench | xargs -r docker volume rm >/dev/null
    docker rmi scale-foreign >/dev/null 2>&1
    rm -rf "$home"
}
trap tidy EXIT

docker compose up -d backend >/dev/null 2>&1
until curl -sf "http://127.0.0.1:$PORT/version" >/dev/null; do sleep 0.1; done
accepted=$(docker compose exec -T backend ./generate_admin_key.sh 2>/dev/null)
# A stranger's key: well shaped, opened by nothing here.
refused="convex-self-hosted|01$(head -c 40 /dev/urandom | od -An -v -tx1 | tr -d ' \n')"

select_key() {
    printf 'CONVEX_SELF_HOSTED_URL=http://127.0.0.1:%s\nCONVEX_SELF_HOSTED_ADMIN_KEY=%s\n' "$PORT" "$1" >.env.local
}

median() { # command…
    local i start end
    for ((i = 0; i < runs; i++)); do
        start=$(date +%s%N)
        "$@" >/dev/null 2>&1 || true
        end=$(date +%s%N)
        echo $(((end - start) / 1000))
    done | sort -n | awk '{ t[NR] = $1 } END { printf "%d\n", t[int((NR + 1) / 2)] }'
}

measure() { # the medians, in microseconds
    select_key "$accepted"
    median "$doctor"
    select_key "$refused"
    median "$doctor"
}

mapfile -t small < <(measure)

tar -cf - -C "$project" package.json | docker import - scale-foreign >/dev/null
seq "$containers" | xargs -P 4 -I{} docker create --label scale-bench --name scale{} scale-foreign /none >/dev/null
# As many engines have them: of other projects, of no project, and without a name.
name() {
    case $(($1 % 3)) in
        0) echo "--label com.docker.compose.project=scale$1 --label com.docker.compose.volume=data scale$1_data" ;;
        1) echo "scale$1-cache" ;;
        2) printf '%064x' "$1" ;;
    esac
}
for ((i = 1; i <= volumes; i++)); do name "$i"; echo; done | grep . |
    xargs -P 4 -L 1 docker volume create --label scale-bench >/dev/null
mapfile -t large < <(measure)

status=0
for i in 0 1; do
    label=("a key that is accepted" "a key that is refused")
    awk -v label="${label[$i]}" -v small="${small[$i]}" -v large="${large[$i]}" \
        -v what="+ $containers containers, $volumes volumes" 'BEGIN {
            printf "%-26s %8.1f ms   %s %8.1f ms   %.2f times\n", label, small / 1000, what, large / 1000, large / small
            exit large > 1.5 * small
        }' || status=1
done
exit $status
