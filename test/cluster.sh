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

cat >"$dir/nginx.conf" <<'CONF'
events {}
http {
  access_log off;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream parley {
    server 127.0.0.1:8085 max_fails=1 fail_timeout=1s;
    server 127.0.0.1:8086 max_fails=1 fail_timeout=1s;
    server 127.0.0.1:8087 max_fails=1 fail_timeout=1s;
  }
  server {
    listen 127.0.0.1:8080;
    location / {
      proxy_pass http://parley;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_next_upstream error timeout http_503;
      proxy_read_timeout 75s;
    }
  }
}
CONF
nginx -p "$dir" -c "$dir/nginx.conf" -e stderr -g 'daemon off; pid nginx.pid;' &
jobs+=($!)
echo "The page is on http://localhost:8080, the admin page of the first node on http://localhost:8091."
echo "Nodes: bin/parleyd admin nodes --server http://127.0.0.1:8091"
wait
