#!/usr/bin/env bash
# A whole run on a healthy project of two containers and one with a stale key, beside what a person would type instead and
# beside what the engine itself takes to answer the same questions: median of N runs each, in milliseconds; peak memory; the
# time of `--version`. Needs a Docker engine with the images of tests/lab (see .ci/run). `convex-doctor -v` shows what
# waited for what. `cargo bench --bench keys` measures how many secrets a second are tried on a key.
#   benches/whole_run.sh [target/dist/convex-doctor] [N]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
doctor=$(realpath "${1:-$root/target/dist/convex-doctor}")
runs=${2:-10}

project=$(mktemp -d)/benchproject
mkdir "$project"
cd "$project"
cp "$root/tests/lab/docker-compose.yml" .
echo '{"dependencies":{"convex":"^1.48.0"}}' >package.json
export PORT=33210 SITE_PROXY_PORT=33211 DASHBOARD_PORT=36791
printf 'PORT=%s\nSITE_PROXY_PORT=%s\nDASHBOARD_PORT=%s\n' $PORT $SITE_PROXY_PORT $DASHBOARD_PORT >.env
trap 'docker compose down -v -t 2 >/dev/null 2>&1; rm -rf "$(dirname "$project")"' EXIT
docker compose up -d >/dev/null 2>&1
key=$(docker compose exec -T backend ./generate_admin_key.sh 2>/dev/null)
printf 'CONVEX_SELF_HOSTED_URL=http://127.0.0.1:%s\nCONVEX_SELF_HOSTED_ADMIN_KEY=%s\n' "$PORT" "$key" >.env.local

median() { # command…
    local i start end
    for ((i = 0; i < runs; i++)); do
        start=$(date +%s%N)
        "$@" >/dev/null 2>&1 || true
        end=$(date +%s%N)
        echo $(((end - start) / 1000))
    done | sort -n | awk '{ t[NR] = $1 } END { printf "%d\n", t[int((NR + 1) / 2)] }'
}

show() { # label microseconds
    awk -v label="$1" -v us="$2" 'BEGIN { printf "%-58s %8.1f ms\n", label, us / 1000 }'
}

manual=0
by_hand() {
    local us
    us=$(median "$@")
    manual=$((manual + us))
    show "$(echo "$*" | sed "s/Convex .*|[0-9a-f]*/Convex …/")" "$us"
}

echo "By hand:"
by_hand docker compose config -q
by_hand docker compose ps -a
by_hand docker inspect benchproject-backend-1
by_hand docker volume ls
by_hand curl -s "http://127.0.0.1:$PORT/api/check_admin_key" -H "Authorization: Convex $key"
by_hand docker compose exec -T backend ./generate_admin_key.sh
show '= by hand' "$manual"

# What a run waits for at least: the list, and then the slowest answer about the backend.
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
answer() { # path
    local i
    for ((i = 0; i < runs; i++)); do
        curl -s -o /dev/null -w '%{time_total}\n' --unix-socket "${socket#unix://}" "http://engine$1"
    done | sort -n | awk '{ t[NR] = $1 } END { printf "%d\n", t[int((NR + 1) / 2)] * 1000000 }'
}
echo
echo "The engine's own answers:"
slowest=0
for path in /containers/json?all=1 /volumes /version \
    /containers/benchproject-backend-1/{json,top,archive?path=/convex/data/credentials}; do
    us=$(answer "$path")
    show "$path" "$us"
    case $path in
    */backend-1/* | *-backend-1/*) [ "$us" -gt "$slowest" ] && slowest=$us ;;
    /containers/json*) list=$us ;;
    esac
done
floor=$((list + slowest))
show '= the list, and the slowest about the backend' "$floor"

of() { # label microseconds
    show "$1" "$2"
    awk -v d="$2" -v m="$manual" -v f="$floor" \
        'BEGIN { printf "%-58s %8.2f of the way by hand, %.2f of the engine\n", "", d / m, d / f }'
}
echo
of 'convex-doctor, healthy' "$(median "$doctor")"
cp .env.local good
sed -i 's/|01..../|01abcd/' .env.local
of 'convex-doctor, a key that the backend rejects' "$(median "$doctor")"
cp good .env.local
show '/bin/true' "$(median /bin/true)"
show 'convex-doctor --version' "$(median "$doctor" --version)"
printf '%s\n' "$key" >key
inspect() { "$doctor" key inspect "$@" - <key; }
alone() { inspect --no-docker; }
show 'convex-doctor key inspect --no-docker' "$(median alone)"
show 'convex-doctor key inspect, with the secret from Docker' "$(median inspect)"

# One more running backend on the same engine: another project's.
mkdir ../second
sed "s/$PORT/$((PORT + 10))/; s/$SITE_PROXY_PORT/$((SITE_PROXY_PORT + 10))/; s/$DASHBOARD_PORT/$((DASHBOARD_PORT + 10))/" .env >../second/.env
cp docker-compose.yml ../second
second() { env -u PORT -u SITE_PROXY_PORT -u DASHBOARD_PORT docker compose --project-directory ../second -f ../second/docker-compose.yml "$@" >/dev/null 2>&1; }
one=$(median "$doctor")
second up -d --wait backend
two=$(median "$doctor")
second down -v -t 2
show 'one running backend more' "$((two - one))"

# Peak memory: the kernel's high-water mark, taken by the parent when the child ends.
python3 - "$doctor" <<'P'
import resource, subprocess, sys
result = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{'convex-doctor, peak memory':<58} {peak:8.1f} MiB   (exit code {result.returncode})")
P
