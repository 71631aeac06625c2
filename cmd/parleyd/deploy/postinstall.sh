#!/bin/sh
# Makes the user that the service runs as. The service is not started: its settings
# come first.
set -e
getent group parley >/dev/null || groupadd --system parley
getent passwd parley >/dev/null || useradd --system --gid parley --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin parley
chown root:parley /etc/parley
chmod 0750 /etc/parley
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if systemctl is-active --quiet parleyd.service; then
    systemctl restart parleyd.service
  fi
fi
