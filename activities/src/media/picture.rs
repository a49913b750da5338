//! Pictures as pixels: decoded within limits, upright, in sRGB, without anything that the file said beside them.

use std::io::Cursor;

use image::{
    AnimationDecoder as _, DynamicImage, Frame, ImageDecoder, ImageError, Limits,
    codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
};
use moxcms::{ColorProfile, Layout, TransformOptions};

use super::MediaType;

/// The most pixels of a picture: telephones take 50 megapixels. A file of a few kilobytes can claim billions.
pub(super) const MAX_PIXELS: u64 = 64_000_000;
/// The longest edge that is decoded.
const MAX_EDGE: u32 = 30_000;
/// The most pixels of all frames of a moving picture together.
const MAX_MOVING_PIXELS: u64 = 400_000_000;

/// What a file was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Its width and height as people see it.
    pub size: (u32, u32),
}

/// Looks at a whole picture: everything that is later decoded for a platform is decoded here, so that what is taken can be used.
///
/// # Errors
/// Why it is not one, or not one that is taken, in words.
pub(super) fn look(bytes: &[u8], kind: MediaType) -> Result<Look, String> {
    if is_moving(bytes, kind)? {
        if kind != MediaType::Gif {
            return Err("a picture that moves is taken as GIF or as a video".to_owned());
        }
        let mut size = (0, 0);
        for frame in frames(bytes)? {
            size = frame?.buffer().dimensions();
        }
        return Ok(Look { size });
    }
    let image = still(bytes, kind)?;
    Ok(Look { size: (image.width(), image.height()) })
}

/// Whether a picture has more than one frame.
pub(super) fn is_moving(bytes: &[u8], kind: MediaType) -> Result<bool, String> {
    let data = Cursor::new(bytes);
    match kind {
        MediaType::Gif => Ok(frames(bytes)?.take(2).collect::<Result<Vec<_>, _>>()?.len() > 1),
        MediaType::Png => PngDecoder::with_limits(data, limits()).and_then(|decoder| decoder.is_apng()).map_err(|e| broken(&e)),
        MediaType::Webp => WebPDecoder::new(data).map(|decoder| decoder.has_animation()).map_err(|e| broken(&e)),
        MediaType::Jpeg | MediaType::Mp4 => Ok(false),
    }
}

/// The picture, upright and in sRGB.
pub(super) fn still(bytes: &[u8], kind: MediaType) -> Result<DynamicImage, String> {
    let data = Cursor::new(bytes);
    match kind {
        MediaType::Jpeg => read(JpegDecoder::new(data)),
        MediaType::Png => read(PngDecoder::with_limits(data, limits())),
        MediaType::Gif => read(GifDecoder::new(data)),
        MediaType::Webp => read(WebPDecoder::new(data)),
        MediaType::Mp4 => Err("it is a video".to_owned()),
    }
}

/// The frames of a GIF, one after another: all of them together do not fit into memory.
pub(super) fn frames(bytes: &[u8]) -> Result<impl Iterator<Item = Result<Frame, String>>, String> {
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
    within(&mut decoder)?;
    let mut pixels = 0;
    Ok(decoder.into_frames().map(move |frame| {
        let frame = frame.map_err(|e| broken(&e))?;
        let (width, height) = frame.buffer().dimensions();
        pixels += u64::from(width) * u64::from(height);
        if pixels > MAX_MOVING_PIXELS {
            return Err(format!("its frames have more than {} megapixels together", MAX_MOVING_PIXELS / 1_000_000));
        }
        Ok(frame)
    }))
}

fn read(decoder: Result<impl ImageDecoder, ImageError>) -> Result<DynamicImage, String> {
    let mut decoder = decoder.map_err(|e| broken(&e))?;
    within(&mut decoder)?;
    // A file whose profile or orientation cannot be read is shown as it is, as everywhere.
    let profile = decoder.icc_profile().ok().flatten();
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| broken(&e))?;
    if let Some(profile) = profile {
        image = in_srgb(image, &profile);
    }
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

/// Refuses what is too large before a pixel of it is decoded.
fn within(decoder: &mut impl ImageDecoder) -> Result<(), String> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err("it has no pixels".to_owned());
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS || width.max(height) > MAX_EDGE {
        return Err(format!("{width} x {height} pixels are too many: {} megapixels are taken", MAX_PIXELS / 1_000_000));
    }
    decoder.set_limits(limits()).map_err(|e| broken(&e))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    // Eight bytes a pixel (16 bits a channel), and a frame's room to work in.
    limits.max_alloc = Some(MAX_PIXELS * 8 + 64 * 1024 * 1024);
    limits
}

fn broken(error: &ImageError) -> String {
    match error {
        ImageError::Limits(_) => "it is too large to be decoded".to_owned(),
        _ => "it is broken, or not all of it was uploaded".to_owned(),
    }
}

/// A picture whose colours were meant by `profile`, in sRGB: the profile is left behind with everything else that the file says, and most
/// telephones take pictures in a wider space. Profiles that cannot be read, or are for another kind of picture, change nothing.
fn in_srgb(image: DynamicImage, profile: &[u8]) -> DynamicImage {
    let Ok(from) = ColorProfile::new_from_slice(profile) else { return image };
    let layout = if image.color().has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let Ok(transform) = from.create_transform_8bit(layout, &ColorProfile::new_srgb(), layout, TransformOptions::default()) else {
        return image;
    };
    // Row by row: a second copy of a large picture is worth avoiding.
    let turn = |pixels: &mut [u8], row: usize| {
        let mut before = vec![0; row];
        for row in pixels.chunks_exact_mut(row) {
            before.copy_from_slice(row);
            if transform.transform(&before, row).is_err() {
                row.copy_from_slice(&before);
            }
        }
    };
    let width = usize::try_from(image.width()).unwrap_or(1);
    if layout == Layout::Rgba {
        let mut pixels = image.into_rgba8();
        turn(&mut pixels, width * 4);
        return DynamicImage::ImageRgba8(pixels);
    }
    let mut pixels = image.into_rgb8();
    turn(&mut pixels, width * 3);
    DynamicImage::ImageRgb8(pixels)
}
