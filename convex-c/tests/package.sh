#!/bin/sh
# package.sh BUILD - builds the library alone, installs it, and uses what was installed as a stranger
# would; then the same with the Debian packages. BUILD is a folder for both builds, kept.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$root/convex-c/tests/package_checks.sh"

echo "-- alone, installed"
quietly cmake -S "$root/convex-c" -B "$build/alone" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
quietly cmake --build "$build/alone" -j 2
quietly cmake --install "$build/alone" --prefix "$work/prefix"
check_libraries "$work/prefix"
check_programs "$work/prefix"
check_cmake_consumer "$work/prefix"
check_pkg_config_consumer "$work/prefix"

echo "-- as Debian packages"
cd "$root"
quietly cmake --preset package -B "$build/debian"
quietly cmake --build "$build/debian" -j 2
rm -f "$build"/debian/*.deb
(cd "$build/debian" && quietly cpack)
for package in "$build"/debian/*.deb; do
  check_package "$package"
  dpkg-deb -x "$package" "$work/unpacked"
done
check_libraries "$work/unpacked/usr"
check_programs "$work/unpacked/usr"
check_pkg_config_consumer "$work/unpacked/usr"
echo "-- packages: $(cd "$build/debian" && echo *.deb)"
