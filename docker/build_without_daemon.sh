#!/usr/bin/env bash
# Builds an image of docker/Dockerfile with buildah and debootstrap alone: no daemon, no registry of images. It runs
# nothing and publishes nothing.
#
#   docker/build_without_daemon.sh [TARGET] [IMAGE]        cpu, cocircle:TARGET
#
# As root. Debian's packages come from this machine's own mirrors, Python's from the index that this machine's pip asks.
# Variables: STORAGE, a folder for images and layers in place of buildah's own; DRIVER, vfs (everywhere) or overlay (copies
# less, where the file system bears it); DEBIAN_MIRROR and DEBIAN_SECURITY; PIP_INDEX_URL, EXTRAS and TORCH_INDEX_URL as
# the Dockerfile takes them.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-cpu}
image=${2:-cocircle:$target}
suite=bookworm
base=docker.io/library/debian:$suite-slim

for program in buildah debootstrap; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing; apt-get install buildah debootstrap" >&2
    exit 2
  fi
done
if [ "$(id -u)" != 0 ]; then
  echo "debootstrap makes a root file system with its owners: run this as root" >&2
  exit 2
fi

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

store=(--storage-driver "${DRIVER:-vfs}")
if [ -n "${STORAGE:-}" ]; then
  store+=(--root "$STORAGE/layers" --runroot "$STORAGE/run")
fi

# The mirrors of this machine's apt, where it has any of this suite.
mirror_of() {
  apt-get indextargets --format '$(SITE) $(RELEASE)' 2>/dev/null | awk -v suite="$1" '$2 == suite { print $1; exit }'
}
mirror=${DEBIAN_MIRROR:-$(mirror_of $suite)}
mirror=${mirror:-http://deb.debian.org/debian}
security=${DEBIAN_SECURITY:-$(mirror_of $suite-security)}
security=${security:-http://deb.debian.org/debian-security}

import_base() {
  local root=$work/root container
  debootstrap --variant=minbase "$suite" "$root" "$mirror" >&2
  cat >"$root/etc/apt/sources.list" <<END
deb $mirror $suite main
deb $mirror $suite-updates main
deb $security $suite-security main
END
  # As in the image of that name: no documentation, and no waiting for the disk at each unpacked file.
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
  printf 'path-exclude /usr/share/%s/*\n' doc info locale man >"$root/etc/dpkg/dpkg.cfg.d/slim"
  rm -rf "$root"/usr/share/{doc,info,locale,man}/*
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  container=$(buildah "${store[@]}" from scratch)
  buildah "${store[@]}" add --quiet "$container" "$root" / >/dev/null
  buildah "${store[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd bash "$container"
  buildah "${store[@]}" commit --quiet --rm "$container" "$base" >/dev/null
  rm -rf --one-file-system "$root"
}

# What this machine's pip is told, told to the pip of the build, with the folders and files that it names.
pip_configuration() {
  local pip=(python3 -m pip) line name value path told=" "
  "${pip[@]}" --version >/dev/null 2>&1 || pip=(pip)
  echo "[global]" >"$work/pip.conf"
  mounts=(--volume "$work/pip.conf:/etc/pip.conf:ro")
  while IFS= read -r line; do
    name=${line%%=*}
    value=$(sed "s/^'//; s/'\$//; s/\\\\n/ /g" <<<"${line#*=}")
    name=${name##*.}
    # What the environment says comes first in the list, and holds.
    case $told in *" $name "*) continue ;; esac
    told+="$name "
    case $name in
      cert)
        cp "$value" "$work/ca.crt"
        mounts+=(--volume "$work/ca.crt:/etc/pip-ca.crt:ro")
        value=/etc/pip-ca.crt
        ;;
      index-url | extra-index-url | find-links | trusted-host | proxy | default-timeout) ;;
      *) continue ;;
    esac
    echo "$name = $value" >>"$work/pip.conf"
    for path in $(grep -oE '(^| |file://)/[^ ]+' <<<"$value" | sed 's#^ *\(file://\)\?##'); do
      path=${path%/simple} # an index in a folder: the files that it names lie beside it
      if [ -d "$path" ]; then mounts+=(--volume "$path:$path:ro"); fi
    done
  done < <("${pip[@]}" config list 2>/dev/null)
}

if ! buildah "${store[@]}" inspect --type image "$base" >/dev/null 2>&1; then
  import_base
fi
pip_configuration

arguments=()
for name in PIP_INDEX_URL EXTRAS TORCH_INDEX_URL; do
  if [ -n "${!name:-}" ]; then
    arguments+=(--build-arg "$name=${!name}")
  fi
done
index=$(sed -n 's/^index-url = //p' "$work/pip.conf")
if [ -z "${PIP_INDEX_URL:-}" ] && [ -n "$index" ]; then
  arguments+=(--build-arg "PIP_INDEX_URL=$index")
fi

buildah "${store[@]}" bud --isolation chroot --network host --pull-never --format docker \
  "${mounts[@]}" "${arguments[@]}" --file docker/Dockerfile --target "$target" --tag "$image" .
