#!/usr/bin/env bash
# Prints the Homebrew formula for a release, from the SHA256SUMS of its archives.
#
#   packaging/release/homebrew.sh SHA256SUMS REPOSITORY_URL
set -euo pipefail
. "$(dirname "$0")/cargo.sh"

sums=$1 url=$2
# A class is called as the formula is, without the hyphens.
class=$(echo "$name" | sed -E 's/(^|-)([a-z])/\U\2/g')

source_of() {
    local file=$name-$version-$1.tar.gz sum
    sum=$(awk -v file="$file" '$2 == file { print $1 }' "$sums")
    [ -n "$sum" ] || fail "$sums does not list $file"
    printf '      url "%s/releases/download/v%s/%s"\n      sha256 "%s"\n' "$url" "$version" "$file" "$sum"
}

# Each is looked up before anything is printed.
mac_arm=$(source_of aarch64-apple-darwin)
mac_intel=$(source_of x86_64-apple-darwin)
linux_arm=$(source_of aarch64-unknown-linux-musl)
linux_intel=$(source_of x86_64-unknown-linux-musl)
cat <<END
class $class < Formula
  desc "$(cargo_member description)"
  homepage "$url"
  version "$version"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
$mac_arm
    end
    on_intel do
$mac_intel
    end
  end

  on_linux do
    on_arm do
$linux_arm
    end
    on_intel do
$linux_intel
    end
  end

  def install
    bin.install "convex-doctor"
  end

  test do
    assert_match "BROKEN", shell_output("#{bin}/convex-doctor demo", 1)
  end
end
END
