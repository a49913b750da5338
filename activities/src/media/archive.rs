//! A picture or a video that is an archive as well.

/// How much of a file's end can hold the mark of an archive: the record of 22 bytes and the longest comment (APPNOTE.TXT, 4.3.16).
pub(super) const END: usize = 22 + 65_535;

/// Whether a file that ends so can be opened as a ZIP archive (and so as a Java or an office file): readers of ZIP look from the end, so that an
/// archive can be appended to anything.
pub(super) fn is_archive(end: &[u8]) -> bool {
    let mark = b"PK\x05\x06";
    let found = |at: usize| {
        let record = end.get(at..at + 22)?;
        let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
        Some(at + 22 + comment == end.len())
    };
    end.windows(mark.len()).enumerate().any(|(at, window)| window == mark && found(at) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_found_by_its_end() {
        let mut file = b"\xff\xd8\xff and a picture".to_vec();
        assert!(!is_archive(&file));
        file.extend(b"PK\x05\x06");
        file.extend([0; 16]);
        assert!(!is_archive(&file), "a mark without its record is chance");
        file.extend([3, 0]);
        assert!(!is_archive(&file), "the comment is missing");
        file.extend(b"abc");
        assert!(is_archive(&file));
        file.push(0);
        assert!(!is_archive(&file), "something follows");
    }
}
