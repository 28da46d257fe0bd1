# package_checks.sh - what package.sh asks of an installed tree and of a package. Sourced by it:
# `root` is the source tree, `work` a temporary folder.

fail() { echo "package: $*" >&2; exit 1; }

# Its output only if it fails.
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "failed: $*"; }; }

libdir_of() { dirname "$(find "$1" -name libconvex.a)"; }

# check_libraries PREFIX: soname, exported symbols, every header in place and in the umbrella.
check_libraries() {
  local name header headers
  headers=$(cd "$root/convex-c/include" && find convex -name '*.h' | sort)
  [ "$headers" = "$(cd "$1/include" && find convex -name '*.h' | sort)" ] || fail "headers are missing in $1"
  for header in $headers; do
    case $header in
      convex/convex.h | convex/outbox.h | convex/lws.h | convex/adapters/*) ;;
      *) grep -qxF "#include \"$header\"" "$1/include/convex/convex.h" || fail "convex/convex.h lacks $header" ;;
    esac
  done
  objdump -p "$(libdir_of "$1")/libconvex.so" | grep -q 'SONAME *libconvex.so.0$' || fail "the soname is wrong"
  # shellcheck disable=SC2046 # one word for each header
  "$root/convex-c/tests/symbols.sh" "$(libdir_of "$1")/libconvex.so" \
    $(find "$1/include/convex" -maxdepth 1 -name '*.h' ! -name outbox.h ! -name lws.h)
  for name in outbox lws; do
    "$root/convex-c/tests/symbols.sh" "$(libdir_of "$1")/libconvex-$name.so" "$1/include/convex/$name.h"
  done
}

# check_programs PREFIX: each runs, and has a manual page without a complaint.
check_programs() {
  local page
  for program in convexc convexgen; do
    LD_LIBRARY_PATH=$(libdir_of "$1") "$1/bin/$program" --version | grep -q '[0-9]\.[0-9]' || fail "$program --version"
  done
  for page in man1/convexc.1 man1/convexgen.1 man3/libconvex.3; do
    [ -s "$1/share/man/$page.gz" ] || fail "no manual page $page"
    if command -v groff >/dev/null; then
      zcat "$1/share/man/$page.gz" | groff -man -Tascii -ww -z 2>"$work/log" || fail "$page"
      [ ! -s "$work/log" ] || { cat "$work/log"; fail "$page"; }
    fi
  done
}

check_cmake_consumer() {
  local program
  quietly cmake -S "$root/convex-c/tests/consumer" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$1"
  quietly cmake --build "$work/cmake" -j 2
  for program in convex_static outbox_static lws_static; do
    "$work/cmake/c_$program" || fail "c_$program of find_package() failed"
  done
  "$work/cmake/cpp_convex_static" || fail "cpp_convex_static of find_package() failed"
  for program in c_convex cpp_convex c_outbox c_lws; do
    LD_LIBRARY_PATH=$(libdir_of "$1") "$work/cmake/$program" || fail "$program of find_package() failed"
  done
}

# Shared in C and C++; static without the shared one in reach.
check_pkg_config_consumer() {
  local lib source=$root/convex-c/tests/consumer
  lib=$(libdir_of "$1")
  export PKG_CONFIG_PATH="$lib/pkgconfig"
  # shellcheck disable=SC2046 # pkg-config prints words
  quietly cc -std=c99 -Wall -Werror "$source/consumer.c" -o "$work/c" $(pkg-config --cflags --libs convex)
  # shellcheck disable=SC2046
  quietly c++ -std=c++11 -Wall -Werror "$source/consumer.cpp" -o "$work/cpp" $(pkg-config --cflags --libs convex)
  # shellcheck disable=SC2046
  quietly cc "$source/consumer.c" -o "$work/static" $(pkg-config --cflags convex) "$lib/libconvex.a" \
    -pthread $(pkg-config --libs $(pkg-config --print-requires-private convex)) -lm
  # shellcheck disable=SC2046
  quietly cc -Wall -Werror "$source/outbox.c" -o "$work/outbox" $(pkg-config --cflags --libs convex-outbox)
  # shellcheck disable=SC2046
  quietly cc -Wall -Werror "$source/lws.c" -o "$work/lws" $(pkg-config --cflags --libs convex-lws libwebsockets)
  LD_LIBRARY_PATH=$lib "$work/outbox" || fail "the outbox consumer of pkg-config failed"
  LD_LIBRARY_PATH=$lib "$work/lws" || fail "the lws consumer of pkg-config failed"
  LD_LIBRARY_PATH=$lib "$work/c" || fail "the C consumer of pkg-config failed"
  LD_LIBRARY_PATH=$lib "$work/cpp" || fail "the C++ consumer of pkg-config failed"
  "$work/static" || fail "the static consumer of pkg-config failed"
}

# check_package FILE.deb: what Debian asks for, as far as it can be told here.
check_package() {
  local name
  name=$(dpkg-deb -f "$1" Package)
  rm -rf "$work/one"
  dpkg-deb -R "$1" "$work/one"
  (cd "$work/one" && md5sum --quiet -c DEBIAN/md5sums) || fail "$name: md5sums"
  [ -s "$work/one/usr/share/doc/$name/copyright" ] || fail "$name has no copyright"
  zcat "$work/one/usr/share/doc/$name/changelog.Debian.gz" | head -n 1 | grep -qF "($(dpkg-deb -f "$1" Version))" ||
    fail "$name: the changelog is of another version"
  case $name in
    *-dev) dpkg-deb -f "$1" Depends | grep -q "libconvex.*0 (= " || fail "$name does not ask for its library" ;;
    lib*)
      grep -qx 'activate-noawait ldconfig' "$work/one/DEBIAN/triggers" || fail "$name: triggers"
      [ ! -e "$work/one/DEBIAN/postinst" ] || fail "$name calls ldconfig itself"
      dpkg-deb -f "$1" Depends | grep -q 'libc6 (>= ' || fail "$name: the libraries it needs are unknown" ;;
  esac
  if command -v lintian >/dev/null; then lintian --fail-on error,warning "$1" || fail "$name: lintian"; fi
}
