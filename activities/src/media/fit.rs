//! Fitting an image to a platform: a type that it takes, upright, no larger than it wants, and nothing in the file but the picture.
//!
//! Every image is written anew from its pixels, also one that would do: where it was taken, with which camera, whose face a programme found in it and
//! what somebody appended to the file stays behind. Rules where there is a choice:
//! - A moving GIF stays one where the platform takes GIF. Elsewhere it is refused: its first frame is not what was approved.
//! - A photograph (JPEG, WebP) becomes JPEG, a drawing (PNG, a still GIF) PNG while it is small enough, then JPEG. What can be seen through stays
//!   PNG or WebP, and is put on white only where the platform takes neither.
//! - Too many bytes: first less quality, then fewer pixels.

use image::{
    AnimationDecoder as _, DynamicImage, Frame, ImageEncoder as _, Rgb, RgbImage,
    codecs::{
        gif::{GifDecoder, GifEncoder, Repeat},
        jpeg::JpegEncoder,
        png::PngEncoder,
        webp::WebPEncoder,
    },
    imageops::{self, FilterType},
    metadata::LoopCount,
};

use super::{MediaType, picture};
use domain::platform::ImageRules;

/// Changes whenever the same image and rules come out as other bytes, so that what was made before is not taken for it.
pub(super) const VERSION: u32 = 1;
/// Qualities of JPEG that are tried one after another. Below the last, fewer pixels look better.
const QUALITIES: [u8; 4] = [90, 82, 74, 62];
/// An image whose longest edge would get shorter than this is refused rather than made smaller.
const SMALLEST: u32 = 320;

/// An image as a platform takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it is.
    pub content_type: MediaType,
    /// Its width and height in pixels.
    pub size: (u32, u32),
}

/// Fits an image. Takes its time: seconds for a large one. The same image and rules give the same bytes.
///
/// # Errors
/// Why it cannot be fitted, in words for people.
pub fn fit(bytes: &[u8], rules: &ImageRules) -> Result<Fitted, String> {
    let kind = MediaType::of(bytes).ok_or_else(|| format!("it is none of {}", MediaType::names()))?;
    if picture::is_moving(bytes, kind)? {
        return if kind == MediaType::Gif && takes(rules, MediaType::Gif) {
            moving(bytes, rules)
        } else {
            Err("it moves, and moving pictures are not taken there: use a still one or a video".to_owned())
        };
    }
    let image = picture::still(bytes, kind)?;
    shape(image.width(), image.height(), rules)?;
    let types = candidates(&image, kind, rules);
    let mut image = smaller(image, rules.max_edge);
    loop {
        for kind in &types {
            if let Some(bytes) = encode(&image, *kind, rules.max_bytes)? {
                return Ok(Fitted { bytes, content_type: *kind, size: (image.width(), image.height()) });
            }
        }
        let edge = next_edge(image.width(), image.height(), rules)?;
        image = smaller(image, edge);
    }
}

const fn mime(kind: MediaType) -> &'static str {
    kind.as_str()
}

fn takes(rules: &ImageRules, kind: MediaType) -> bool {
    rules.types.contains(&mime(kind))
}

/// Refuses an image whose shape the platform does not show.
fn shape(width: u32, height: u32, rules: &ImageRules) -> Result<(), String> {
    let Some((least, most)) = rules.aspect else { return Ok(()) };
    let (wide, high) = (u64::from(width) * 1000, u64::from(height));
    // One pixel of rounding is not another shape.
    if wide + 1000 < u64::from(least) * high || wide > u64::from(most) * high + 1000 {
        let told = |thousandths: u32| format!("{}.{:02}:1", thousandths / 1000, thousandths % 1000 / 10);
        return Err(format!("it is {width} x {height} pixels; its shape has to be between {} and {}", told(least), told(most)));
    }
    Ok(())
}

/// The types that are tried, the best first. At least one.
fn candidates(image: &DynamicImage, kind: MediaType, rules: &ImageRules) -> Vec<MediaType> {
    use MediaType::{Gif, Jpeg, Mp4, Png, Webp};
    let order: &[MediaType] = if is_transparent(image) {
        &[Png, Webp]
    } else {
        match kind {
            Jpeg | Webp | Mp4 => &[Jpeg],
            Png | Gif => &[Png, Jpeg],
        }
    };
    let mut types: Vec<_> = order.iter().copied().filter(|kind| takes(rules, *kind)).collect();
    if types.is_empty() {
        types.extend([Jpeg, Png, Webp].into_iter().find(|kind| rules.types.first() == Some(&mime(*kind))));
    }
    if types.is_empty() {
        types.push(Jpeg);
    }
    types
}

fn is_transparent(image: &DynamicImage) -> bool {
    image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255)
}

/// The image, scaled down so that its longest edge has at most `edge` pixels.
fn smaller(image: DynamicImage, edge: u32) -> DynamicImage {
    if image.width().max(image.height()) <= edge {
        return image;
    }
    image.resize(edge, edge, FilterType::CatmullRom)
}

fn next_edge(width: u32, height: u32, rules: &ImageRules) -> Result<u32, String> {
    let edge = width.max(height) / 4 * 3;
    if edge < SMALLEST {
        return Err(format!("it does not get as small as {} bytes", rules.max_bytes));
    }
    Ok(edge)
}

/// The image as a file of this type; `None` if it has more bytes than allowed.
fn encode(image: &DynamicImage, kind: MediaType, max_bytes: u64) -> Result<Option<Vec<u8>>, String> {
    let fits = |bytes: Vec<u8>| (bytes.len() as u64 <= max_bytes).then_some(bytes);
    let failed = |_| "it cannot be written".to_owned();
    if kind == MediaType::Jpeg {
        let flat = on_white(image);
        for quality in QUALITIES {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&flat).map_err(failed)?;
            if let Some(bytes) = fits(bytes) {
                return Ok(Some(bytes));
            }
        }
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let plain = if is_transparent(image) { DynamicImage::from(image.to_rgba8()) } else { DynamicImage::from(image.to_rgb8()) };
    let (pixels, width, height, colour) = (plain.as_bytes(), plain.width(), plain.height(), plain.color().into());
    match kind {
        MediaType::Webp => WebPEncoder::new_lossless(&mut bytes).write_image(pixels, width, height, colour),
        _ => PngEncoder::new(&mut bytes).write_image(pixels, width, height, colour),
    }
    .map_err(failed)?;
    Ok(fits(bytes))
}

/// Without what can be seen through.
fn on_white(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let seen = image.to_rgba8();
    RgbImage::from_fn(seen.width(), seen.height(), |x, y| {
        let [r, g, b, a] = seen.get_pixel(x, y).0.map(u32::from);
        let mix = |channel: u32| u8::try_from((channel * a + 255 * (255 - a) + 127) / 255).unwrap_or(u8::MAX);
        Rgb([mix(r), mix(g), mix(b)])
    })
}

/// A moving GIF, frame by frame.
fn moving(bytes: &[u8], rules: &ImageRules) -> Result<Fitted, String> {
    let (width, height) = picture::frames(bytes)?.next().transpose()?.map(|frame| frame.buffer().dimensions()).unwrap_or_default();
    shape(width, height, rules)?;
    let repeat = match GifDecoder::new(std::io::Cursor::new(bytes)).map(|decoder| decoder.loop_count()) {
        Ok(LoopCount::Finite(n)) => Repeat::Finite(u16::try_from(n.get()).unwrap_or(u16::MAX)),
        _ => Repeat::Infinite,
    };
    let mut edge = width.max(height).min(rules.max_edge);
    loop {
        let size = scaled(width, height, edge);
        let file = written(bytes, size, repeat)?;
        if file.len() as u64 <= rules.max_bytes {
            return Ok(Fitted { bytes: file, content_type: MediaType::Gif, size });
        }
        edge = next_edge(size.0, size.1, rules)?;
    }
}

fn written(bytes: &[u8], size: (u32, u32), repeat: Repeat) -> Result<Vec<u8>, String> {
    let failed = |_| "it cannot be written".to_owned();
    let mut file = Vec::new();
    {
        // 10: the encoder's fastest but one; a moving picture has hundreds of frames.
        let mut encoder = GifEncoder::new_with_speed(&mut file, 10);
        encoder.set_repeat(repeat).map_err(failed)?;
        for frame in picture::frames(bytes)? {
            let frame = frame?;
            let delay = frame.delay();
            let pixels = if frame.buffer().dimensions() == size {
                frame.into_buffer()
            } else {
                imageops::resize(frame.buffer(), size.0, size.1, FilterType::Triangle)
            };
            encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay)).map_err(failed)?;
        }
    }
    Ok(file)
}

fn scaled(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let longest = width.max(height).max(1);
    if longest <= edge {
        return (width, height);
    }
    let part = |length: u32| u32::try_from(u64::from(length) * u64::from(edge) / u64::from(longest)).unwrap_or(edge).max(1);
    (part(width), part(height))
}

#[cfg(test)]
mod tests;
