//! What the header of an MP4 file says: how large the picture is and how long it lasts (ISO/IEC 14496-12, sections 4.2, 8.2.2 and 8.3.2).

/// The largest header that is read, in bytes: a film of hours has a few megabytes of it.
pub(super) const LARGEST_HEADER: u64 = 32 * 1024 * 1024;
/// How many boxes stand before the header at most; a fragmented file has thousands, and its header first.
pub(super) const MOST_BOXES: u32 = 64;

/// The beginning of a box.
pub(super) struct BoxHead {
    /// Its type.
    pub name: [u8; 4],
    /// Its length with this beginning, never less.
    pub length: u64,
    /// How much of it is the beginning.
    head: usize,
}

impl BoxHead {
    /// Reads it from the start of `data`; `rest` is how many bytes the file (or the box around) has from here.
    pub(super) fn read(data: &[u8], rest: u64) -> Option<Self> {
        let name = data.get(4..8)?.try_into().ok()?;
        let (length, head) = match u32_at(data, 0)? {
            0 => (rest, 8),
            1 => (u64_at(data, 8)?, 16),
            length => (u64::from(length), 8),
        };
        (length >= head && length <= rest).then_some(Self { name, length, head: if head == 16 { 16 } else { 8 } })
    }
}

/// Width and height of the picture, and the length in milliseconds, from a `moov` box.
pub(super) fn look(moov: &[u8]) -> Option<((u32, u32), u64)> {
    let inside = body(moov)?;
    let duration = boxes(inside).find(|(name, _)| name == b"mvhd").and_then(|(_, mvhd)| duration_ms(mvhd))?;
    let size = boxes(inside).filter(|(name, _)| name == b"trak").find_map(|(_, trak)| {
        let (_, tkhd) = boxes(trak).find(|(name, _)| name == b"tkhd")?;
        size(tkhd)
    })?;
    Some((size, duration))
}

fn body(data: &[u8]) -> Option<&[u8]> {
    let head = BoxHead::read(data, data.len() as u64)?;
    data.get(head.head..usize::try_from(head.length).ok()?)
}

/// The boxes within a box, with what is in them.
fn boxes(mut data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let head = BoxHead::read(data, data.len() as u64)?;
        let (this, rest) = data.split_at_checked(usize::try_from(head.length).ok()?)?;
        data = rest;
        Some((head.name, this.get(head.head..)?))
    })
}

fn duration_ms(mvhd: &[u8]) -> Option<u64> {
    let (scale, units) = match mvhd.first()? {
        0 => (u32_at(mvhd, 12)?, u64::from(u32_at(mvhd, 16)?)),
        _ => (u32_at(mvhd, 20)?, u64_at(mvhd, 24)?),
    };
    units.checked_mul(1000)?.checked_div(u64::from(scale))
}

/// The size of a track that has a picture, turned as its matrix says: telephones film upright by turning.
fn size(tkhd: &[u8]) -> Option<(u32, u32)> {
    // Version 1 has three times of eight bytes instead of four.
    let matrix = if *tkhd.first()? == 0 { 40 } else { 52 };
    let (width, height) = (u32_at(tkhd, matrix + 36)? >> 16, u32_at(tkhd, matrix + 40)? >> 16);
    let is_turned = u32_at(tkhd, matrix)? == 0 && u32_at(tkhd, matrix + 4)? != 0;
    (width > 0 && height > 0).then_some(if is_turned { (height, width) } else { (width, height) })
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes()[..], name, body].concat()
    }

    fn track(width: u32, height: u32, turned: bool) -> Vec<u8> {
        let mut tkhd = vec![0; 84];
        let one = 0x1_0000_u32.to_be_bytes();
        let places = if turned { [44, 52] } else { [40, 56] };
        for place in places {
            tkhd[place..place + 4].copy_from_slice(&one);
        }
        tkhd[76..80].copy_from_slice(&(width << 16).to_be_bytes());
        tkhd[80..84].copy_from_slice(&(height << 16).to_be_bytes());
        a_box(b"trak", &a_box(b"tkhd", &tkhd))
    }

    fn film(tracks: &[Vec<u8>]) -> Vec<u8> {
        let mut mvhd = vec![0; 100];
        mvhd[12..16].copy_from_slice(&600_u32.to_be_bytes());
        mvhd[16..20].copy_from_slice(&4_500_u32.to_be_bytes());
        a_box(b"moov", &[a_box(b"mvhd", &mvhd), tracks.concat()].concat())
    }

    #[test]
    fn a_header_tells_the_size_of_the_picture_and_its_length() {
        let sound = track(0, 0, false);
        assert_eq!(look(&film(&[sound.clone(), track(1920, 1080, false)])), Some(((1920, 1080), 7_500)));
        assert_eq!(look(&film(&[track(1920, 1080, true)])), Some(((1080, 1920), 7_500)));
        assert_eq!(look(&film(&[sound])), None, "sound alone is no video");
        assert_eq!(look(&a_box(b"moov", &track(10, 10, false))), None, "how long?");
    }

    #[test]
    fn a_broken_header_is_none() {
        let whole = film(&[track(640, 480, false)]);
        for end in 0..whole.len() {
            assert_eq!(look(&whole[..end]), None, "{end}");
        }
        assert!(BoxHead::read(b"\0\0\0\x04moov", 100).is_none(), "shorter than its own beginning");
        assert!(BoxHead::read(b"\0\0\0\xffmoov", 100).is_none(), "longer than the file");
        assert_eq!(BoxHead::read(b"\0\0\0\0mdat", 100).unwrap().length, 100, "to the end");
        assert_eq!(BoxHead::read(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x20", 100).unwrap().length, 32, "a long one");
    }
}
