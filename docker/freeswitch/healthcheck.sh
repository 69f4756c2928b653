#!/bin/sh
# Healthy: the event socket lets the gateway's password in and the SIP profile runs. printf is built into the shell, so
# the password is on no command line; the pause keeps the connection open until the answers are there.
set -eu
password=$(cat /run/secrets/freeswitch_password)
{
  printf 'auth %s\n\napi sofia status\n\n' "$password"
  sleep 1
} | nc "$EVENT_SOCKET_ADDRESS" 8021 | grep -q 'drachtio_mrf.*RUNNING'
