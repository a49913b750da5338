//! Unpacks a fetched package: a gzipped tar from npm, a wheel (zip) from pip or a Debian package, only the paths that are wanted, with a progress bar.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use indicatif::ProgressBar;

use super::debian;

/// Unpacks `archive` into `target`, keeping entries whose path starts with one of `keep`.
///
/// # Errors
/// Whatever reading, decompressing or writing answers; an entry that points outside `target` is refused as invalid data.
pub(crate) fn unpack(archive: &Path, target: &Path, keep: &[&str], bar: &ProgressBar) -> io::Result<()> {
    let file = File::open(archive)?;
    bar.set_length(file.metadata()?.len());
    if debian::is_package(archive) {
        let (mut child, tar) = debian::files(archive)?;
        unpack_tar(tar, target, keep)?;
        return if child.wait()?.success() { Ok(()) } else { Err(io::Error::other("dpkg-deb could not read it")) };
    }
    if archive.extension().is_some_and(|extension| extension == "whl") {
        unpack_zip(bar.wrap_read(file), target, keep)
    } else {
        unpack_tar(flate2::read::GzDecoder::new(bar.wrap_read(file)), target, keep)
    }
}

fn unpack_tar(file: impl Read, target: &Path, keep: &[&str]) -> io::Result<()> {
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if entry.header().entry_type().is_file() && wanted(&path, keep) {
            let mode = entry.header().mode()?;
            write(&mut entry, &inside(target, &path)?, mode)?;
        }
    }
    Ok(())
}

fn unpack_zip(file: impl Read + Seek, target: &Path, keep: &[&str]) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(file).map_err(io::Error::other)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let path = PathBuf::from(entry.name().map_err(io::Error::other)?.into_owned());
        if entry.is_file() && wanted(&path, keep) {
            let mode = entry.unix_mode().unwrap_or(0o644);
            write(&mut entry, &inside(target, &path)?, mode)?;
        }
    }
    Ok(())
}

/// Static libraries are of no use to a running server and are left out.
fn wanted(path: &Path, keep: &[&str]) -> bool {
    keep.iter().any(|prefix| path.to_string_lossy().starts_with(prefix)) && path.extension().is_none_or(|extension| extension != "a")
}

fn inside(target: &Path, path: &Path) -> io::Result<PathBuf> {
    if path.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        Ok(target.join(path))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} points outside the package", path.display())))
    }
}

/// Everybody may read and, where the package says so, execute: as root, PostgreSQL runs under another account.
fn write(from: &mut impl Read, path: &Path, mode: u32) -> io::Result<()> {
    let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    io::copy(from, &mut file)?;
    // The process's umask may have taken bits away.
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tgz(entries: &[(&str, u32, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".tgz").tempfile().unwrap();
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::fast()));
        for (path, mode, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(text.len() as u64);
            header.set_mode(*mode);
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn keeps_what_is_wanted_and_the_right_to_execute() {
        let archive =
            tgz(&[("package/bin/server", 0o700, "run"), ("package/bin/lib.a", 0o644, "static"), ("package/README.md", 0o644, "read")]);
        let target = tempfile::tempdir().unwrap();
        unpack(archive.path(), target.path(), &["package/bin/"], &ProgressBar::hidden()).unwrap();
        let server = target.path().join("package/bin/server");
        assert_eq!(fs::read_to_string(&server).unwrap(), "run");
        assert_eq!(fs::metadata(&server).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(!target.path().join("package/README.md").exists());
        assert!(!target.path().join("package/bin/lib.a").exists());
    }

    #[test]
    fn an_entry_that_climbs_out_is_refused() {
        let archive = tgz(&[("package/bin/../../../evil", 0o644, "no")]);
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("a/b");
        fs::create_dir_all(&target).unwrap();
        let error = unpack(archive.path(), &target, &["package/bin/"], &ProgressBar::hidden()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(!parent.path().join("evil").exists());
    }
}
