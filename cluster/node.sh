#!/usr/bin/env bash
# Sets up a machine of cluster.yaml, head or worker, as often as one likes: packages, shared storage, grokgrid.
#     node.sh FILE_SYSTEM REGION
set -euo pipefail

file_system=$1 region=$2
shared=/mnt/grokgrid

# A machine's first minutes belong to its own updates.
sudo apt-get -o DPkg::Lock::Timeout=600 update -qq
sudo DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -qq --no-install-recommends \
    git make nfs-common python3-venv

# Amazon's own advice for EFS: `hard` has a write wait for storage that is away, where `soft` would lose it.
if ! mountpoint -q "$shared"; then
    sudo mkdir -p "$shared"
    options=nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev
    grep -q " $shared " /etc/fstab ||
        echo "$file_system.efs.$region.amazonaws.com:/ $shared nfs4 $options 0 0" | sudo tee -a /etc/fstab >/dev/null
    # The name of a file system that was just made takes a minute to be known.
    for _ in $(seq 30); do
        sudo mount "$shared" && break
        sleep 10
    done
    mountpoint -q "$shared"
fi
sudo install -d -o "$(id -un)" -g "$(id -gn)" "$shared" "$shared/storage" "$shared/data"

cd "$(dirname "$0")/.."
make setup
