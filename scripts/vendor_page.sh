#!/usr/bin/env bash
# Brings the page's libraries from npm into adapter/web/pages/static/vendor: the versions below, each held to its
# checksum, as plain modules that name each other by their files, with their licences.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
vendor=$PWD/adapter/web/pages/static/vendor

# package, version, SHA-512 of its archive (npm's integrity), module in the archive, file here
libraries=(
  "preact 11.2.0 /HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg== dist/preact.mjs preact.js"
  "preact 11.2.0 /HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg== hooks/dist/hooks.mjs preact-hooks.js"
  "htm 3.1.1 983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ== dist/htm.mjs htm.js"
  "@preact/signals-core 1.14.5 vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg== dist/signals-core.mjs signals-core.js"
  "@preact/signals 2.11.4 Rb+5RPo9gWSaHtzJeauhHxiC8KP/IF2DEPkHPEOGOnuy2wnJzRqyeLRankUCYd6ADqtxS6GnWGv6Ie343d8aYw== dist/signals.mjs signals.js"
  "@tanstack/virtual-core 3.19.11 /5iHb0RHBvj8Di59FDs4ESNm45jls33aZAi4zccVXZjc/6ZvwQP6nzEYeT6weXjTf9E6/vrp2JhYWRyO+ZP13A== dist/esm/index.js virtual-core.js"
  "@tanstack/virtual-core 3.19.11 /5iHb0RHBvj8Di59FDs4ESNm45jls33aZAi4zccVXZjc/6ZvwQP6nzEYeT6weXjTf9E6/vrp2JhYWRyO+ZP13A== dist/esm/lazy-measurements.js virtual-core-lazy-measurements.js"
  "@tanstack/virtual-core 3.19.11 /5iHb0RHBvj8Di59FDs4ESNm45jls33aZAi4zccVXZjc/6ZvwQP6nzEYeT6weXjTf9E6/vrp2JhYWRyO+ZP13A== dist/esm/utils.js virtual-core-utils.js"
  "@tanstack/virtual-core 3.19.11 /5iHb0RHBvj8Di59FDs4ESNm45jls33aZAi4zccVXZjc/6ZvwQP6nzEYeT6weXjTf9E6/vrp2JhYWRyO+ZP13A== dist/esm/scroll-classifier.js virtual-core-scroll-classifier.js"
  "@tanstack/virtual-core 3.19.11 /5iHb0RHBvj8Di59FDs4ESNm45jls33aZAi4zccVXZjc/6ZvwQP6nzEYeT6weXjTf9E6/vrp2JhYWRyO+ZP13A== dist/esm/ios-gesture.js virtual-core-ios-gesture.js"
)

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
rm -rf -- "$vendor"
mkdir -p -- "$vendor"
for library in "${libraries[@]}"; do
  read -r package version sum module file <<<"$library"
  archive=$(cd "$work" && npm pack --silent "$package@$version")
  [[ $(openssl dgst -sha512 -binary "$work/$archive" | base64 -w0) == "$sum" ]] || {
    echo "error: $package $version isn't what it was" >&2
    exit 1
  }
  tar -xzf "$work/$archive" -C "$work"
  sed -E \
    -e 's#(from|import) ?"preact/hooks"#\1"./preact-hooks.js"#g' \
    -e 's#(from|import) ?"preact"#\1"./preact.js"#g' \
    -e 's#(from|import) ?"@preact/signals-core"#\1"./signals-core.js"#g' \
    -e 's#from "\./(lazy-measurements|utils|scroll-classifier|ios-gesture)\.js"#from "./virtual-core-\1.js"#g' \
    -e 's#process\.env\.NODE_ENV#"production"#g' \
    -e '/^\/\/# sourceMappingURL=/d' "$work/package/$module" >"$vendor/$file"
  cp -- "$work/package/LICENSE" "$vendor/$(basename -- "$file" .js).LICENSE"
  rm -rf -- "$work/package"
done
(cd "$vendor" && sha256sum -- *.js >SHA256SUMS)
