#!/bin/bash
# update.sh VERSION: pins the Kubernetes that the tests build. Its staging
# modules (k8s.io/api ...) are in its own tree under version v0.0.0; each is
# replaced by the release of the same day, of which the number begins with 0.
set -euo pipefail
cd "$(dirname "$0")"
version=v${1#v}
staging=v0.${version#v1.}
mod=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
go mod edit -require="k8s.io/kubernetes@$version"
sed -n 's|^\t\(k8s.io/[^ ]*\) => ./staging/src/.*|\1|p' "$mod" |
	while read -r module; do go mod edit -replace="$module=$module@$staging"; done
go mod tidy
