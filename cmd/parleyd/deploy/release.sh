#!/usr/bin/env bash
# Makes a release in the folder that is named: archives for all platforms, packages
# for Debian and Red Hat, a software bill of materials and checksums. The same commit
# gives the same bytes with the same Go. TARGETS (linux/amd64 …) and PACKAGES=no make
# less of it.
set -euo pipefail

out=${1:?usage: release.sh DIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/../../.."

NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
SBOM=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
TARGETS=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}

version=$(git describe --tags --always --dirty)
epoch=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH=$epoch TZ=UTC LC_ALL=C CGO_ENABLED=0
# A package's version begins with a digit.
case $version in v[0-9]*) VERSION=${version#v} ;; *) VERSION=0.0.0+$version ;; esac
DATE=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # os arch folder
  GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$3/" ./cmd/parleyd ./cmd/soak
}

# The manual and the completions are written by the daemon of this machine.
build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/host"
DOCS=$work/docs
mkdir -p "$DOCS/man" "$DOCS/completion"
"$work/host/parleyd" man "$DOCS/man"
gzip -9n "$DOCS"/man/*.8
"$work/host/parleyd" completion bash >"$DOCS/completion/parleyd.bash"
"$work/host/parleyd" completion zsh >"$DOCS/completion/_parleyd"
"$work/host/parleyd" completion fish >"$DOCS/completion/parleyd.fish"

for target in $TARGETS; do
  os=${target%/*} arch=${target#*/}
  name=parley-$version-$os-$arch
  mkdir "$work/$name"
  build "$os" "$arch" "$work/$name"
  STAGE=$work/stage-$os-$arch
  cp -r "$work/$name" "$STAGE"
  cp LICENSE README.md CHANGELOG.md "$work/$name/"
  cp -r "$DOCS/man" "$DOCS/completion" "$work/$name/"
  cp cmd/parleyd/deploy/parley.yaml cmd/parleyd/deploy/parleyd.service cmd/parleyd/deploy/log.schema.json "$work/$name/"
  find "$work/$name" -exec touch -h -d "@$epoch" {} +
  if [ "$os" = windows ]; then
    (cd "$work" && find "$name" -type f | sort | zip -qX9 "$out/$name.zip" -@)
  else
    tar -C "$work" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u+rw,go-w -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
  fi
  if [ "$os" = linux ] && [ "${PACKAGES:-yes}" = yes ]; then
    for format in deb rpm; do
      (export ARCH=$arch VERSION DATE STAGE DOCS && envsubst '$ARCH $VERSION $DATE $STAGE $DOCS' <cmd/parleyd/deploy/nfpm.yaml >"$work/nfpm.yaml")
      go run "$NFPM" package --config "$work/nfpm.yaml" --packager "$format" --target "$out/parleyd-$version-$arch.$format" >/dev/null
    done
  fi
done

if [ "${PACKAGES:-yes}" = yes ]; then
  # The time of making is what differs from one run to the next.
  go run "$SBOM" app -json -licenses -noserial -main cmd/parleyd . 2>/dev/null | sed '/"timestamp":/d' >"$out/parley-$version.cdx.json"
fi
(cd "$out" && sha256sum parley* >SHA256SUMS)
ls -l "$out"
