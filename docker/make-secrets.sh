#!/bin/sh
# Makes the secrets that compose.yaml mounts, each in a file of its own; what exists already is kept.
#   sh docker/make-secrets.sh [folder]
# The folder is closed to everybody else on this host. The files in it are readable, because a container's user, who has
# another number, must read the file it was given and cannot see the folder.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"
umask 077

make() {
  name=$1
  shift
  if [ -e "$folder/$name" ]; then
    echo "$name: kept"
    return
  fi
  "$@" > "$folder/$name.new"
  test -s "$folder/$name.new"
  chmod 0444 "$folder/$name.new"
  mv "$folder/$name.new" "$folder/$name"
  echo "$name: made"
}

make drachtio_secret openssl rand -hex 32
make freeswitch_password openssl rand -hex 32
make code_hash_key openssl rand -hex 32
# Under this one the sessions' own keys are sealed in Redis.
make seal_key openssl rand -hex 32
# With this one the lines of the audit trail are signed. Keep a copy where whoever runs the gateway cannot replace it.
make audit_key openssl rand -hex 32
# Our key pair: results are encrypted for its public half, which goes to whoever runs the core.
make decryption_key openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072
openssl pkey -in "$folder/decryption_key" -pubout -out "$folder/decryption_key.pub"
echo "Give $folder/decryption_key.pub to the operator of the core."
