#!/usr/bin/env bash
# Three daemons that are one server, with nginx before them on http://localhost:8080,
# for trying out. Ctrl-C ends all.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || { echo "this needs nginx" >&2; exit 1; }
dir=$(mktemp -d)
jobs=()
end() {
  kill "${jobs[@]}" 2>/dev/null || true
  wait
  rm -rf "$dir"
}
trap end EXIT
trap 'exit 0' INT TERM

for i in 1 2 3; do
  peers=()
  for j in 1 2 3; do
    [ "$i" = "$j" ] || peers+=(--cluster-peer "127.0.0.1:622$j")
  done
  bin/parleyd --log-format console --node "n$i" --listen "127.0.0.1:808$((i + 4))" --admin-listen "127.0.0.1:809$i" \
    --cluster-listen "127.0.0.1:622$i" "${peers[@]}" 2> >(sed -u "s/^/n$i /" >&2) &
  jobs+=($!)
done

servers="hash \$arg_room consistent; " # all members of a room come to one node
for port in 8085 8086 8087; do servers+="server 127.0.0.1:$port max_fails=1 fail_timeout=1s; "; done
sed "s/SERVERS/$servers/; s/PORT/8080/" test/internal/nodes/balancer.conf >"$dir/nginx.conf"
nginx -p "$dir" -c "$dir/nginx.conf" -e stderr -g 'daemon off; pid nginx.pid;' &
jobs+=($!)
echo "The page is on http://localhost:8080, the admin page of the first node on http://localhost:8091."
echo "Nodes: bin/parleyd admin nodes --server http://127.0.0.1:8091"
wait
