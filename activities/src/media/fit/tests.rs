use std::io::Cursor;

use image::{Delay, GenericImageView as _, ImageDecoder as _, Rgba, RgbaImage, codecs::jpeg::JpegDecoder};

use super::*;

const RULES: ImageRules = ImageRules {
    max: 4,
    types: &["image/jpeg", "image/png", "image/webp", "image/gif"],
    max_bytes: 1_000_000,
    max_edge: 1000,
    aspect: None,
    max_alt: 100,
};
const ONLY_JPEG: ImageRules = ImageRules { types: &["image/jpeg"], ..RULES };

/// A left half of one colour and a right half of another.
fn halves(width: u32, height: u32, left: [u8; 4], right: [u8; 4]) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, _| Rgba(if x < width / 2 { left } else { right }))
}

const RED: [u8; 4] = [220, 20, 20, 255];
const BLUE: [u8; 4] = [20, 20, 220, 255];
const NOTHING: [u8; 4] = [0, 0, 0, 0];

fn png(image: RgbaImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    DynamicImage::from(image).write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

/// A photograph as a telephone makes it: lying on its side, and saying where it was taken.
fn photograph(image: RgbaImage, orientation: u8) -> Vec<u8> {
    let mut plain = Vec::new();
    JpegEncoder::new_with_quality(&mut plain, 90).encode_image(&DynamicImage::from(image).to_rgb8()).unwrap();
    // EXIF, big endian: one directory with the orientation, then words that a GPS directory would hold.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"GPS 48.137 N 11.575 E, planted");
    let length = u16::try_from(exif.len() + 2).unwrap();
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:planted/>";
    let comment = b"planted comment";
    let mut bytes = plain[..2].to_vec();
    for (marker, data) in [(0xe1, &exif[..]), (0xe1, xmp), (0xfe, comment)] {
        bytes.extend([0xff, marker]);
        bytes.extend(u16::try_from(data.len() + 2).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    assert!(length > 2);
    bytes.extend(&plain[2..]);
    bytes.extend(b"planted after the end");
    bytes
}

fn gif(frames: u32, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.set_repeat(Repeat::Infinite).unwrap();
        for n in 0..frames {
            let colour = if n % 2 == 0 { RED } else { BLUE };
            let pixels = RgbaImage::from_pixel(width, height, Rgba(colour));
            encoder.encode_frame(Frame::from_parts(pixels, 0, 0, Delay::from_numer_denom_ms(120, 1))).unwrap();
        }
    }
    bytes
}

fn decoded(fitted: &Fitted) -> DynamicImage {
    let image = image::load_from_memory(&fitted.bytes).unwrap();
    assert_eq!(image.dimensions(), fitted.size);
    assert_eq!(MediaType::of(&fitted.bytes), Some(fitted.content_type));
    image
}

fn is_near(pixel: Rgba<u8>, colour: [u8; 4]) -> bool {
    pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 40)
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn a_photograph_stands_upright_and_says_no_more_where_it_was_taken() {
    let taken = photograph(halves(400, 200, RED, BLUE), 6);
    assert!(contains(&taken, b"GPS") && contains(&taken, b"planted comment"));
    let fitted = fit(&taken, &RULES).unwrap();
    assert_eq!((fitted.content_type, fitted.size), (MediaType::Jpeg, (200, 400)));
    // Turned by a quarter to the right: what was left is on top.
    let image = decoded(&fitted);
    assert!(is_near(image.get_pixel(100, 20), RED) && is_near(image.get_pixel(100, 380), BLUE));
    for told in [&b"GPS"[..], b"planted", b"Exif", b"xap"] {
        assert!(!contains(&fitted.bytes, told), "{}", String::from_utf8_lossy(told));
    }
    assert_eq!(JpegDecoder::new(Cursor::new(&fitted.bytes)).unwrap().exif_metadata().unwrap(), None);
    assert_eq!(fit(&taken, &RULES).unwrap(), fitted, "the same bytes every time");
}

#[test]
fn what_is_too_large_gets_smaller_and_keeps_its_shape() {
    let fitted = fit(&png(halves(2000, 500, RED, BLUE)), &RULES).unwrap();
    assert_eq!((fitted.content_type, fitted.size), (MediaType::Png, (1000, 250)));
    assert!(is_near(decoded(&fitted).get_pixel(100, 100), RED));
    let small = fit(&png(halves(40, 30, RED, BLUE)), &RULES).unwrap();
    assert_eq!(small.size, (40, 30), "nothing is blown up");
}

#[test]
fn a_type_that_is_not_taken_becomes_one_that_is() {
    let drawing = fit(&png(halves(40, 40, RED, NOTHING)), &ONLY_JPEG).unwrap();
    assert_eq!(drawing.content_type, MediaType::Jpeg);
    let image = decoded(&drawing);
    assert!(is_near(image.get_pixel(5, 20), RED) && is_near(image.get_pixel(35, 20), [255; 4]), "what was clear is white");
    assert_eq!(fit(&gif(1, 40, 40), &ONLY_JPEG).unwrap().content_type, MediaType::Jpeg, "a GIF that does not move is a drawing");
    assert_eq!(fit(&gif(1, 40, 40), &RULES).unwrap().content_type, MediaType::Png);
    let clear = fit(&png(halves(40, 40, RED, NOTHING)), &RULES).unwrap();
    assert_eq!(clear.content_type, MediaType::Png);
    assert_eq!(decoded(&clear).get_pixel(35, 20).0[3], 0, "it stays clear");
}

#[test]
fn fewer_bytes_come_from_less_quality_and_then_from_fewer_pixels() {
    // Noise does not compress.
    let mut state = 1_u32;
    let noise = RgbaImage::from_fn(600, 600, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = state.to_be_bytes();
        Rgba([a, b, c, 255])
    });
    let file = png(noise);
    let free = fit(&file, &ImageRules { max_bytes: 10_000_000, ..RULES }).unwrap();
    assert_eq!((free.content_type, free.size), (MediaType::Png, (600, 600)));
    let best = fit(&file, &ImageRules { max_bytes: 10_000_000, ..ONLY_JPEG }).unwrap();
    let tight = fit(&file, &ImageRules { max_bytes: best.bytes.len() as u64 - 1, ..RULES }).unwrap();
    assert_eq!((tight.content_type, tight.size), (MediaType::Jpeg, (600, 600)), "less quality first");
    let tighter = fit(&file, &ImageRules { max_bytes: 90_000, ..RULES }).unwrap();
    assert!(tighter.size.0 < 600 && tighter.bytes.len() <= 90_000, "{:?}", tighter.size);
    let never = fit(&file, &ImageRules { max_bytes: 1_000, ..RULES }).unwrap_err();
    assert!(never.contains("1000 bytes"), "{never}");
}

#[test]
fn a_shape_that_is_not_shown_is_refused_with_the_range() {
    let rules = ImageRules { aspect: Some((800, 1910)), ..RULES };
    for (width, height, taken) in [(80, 100, true), (191, 100, true), (100, 100, true), (70, 100, false), (300, 100, false)] {
        let fitted = fit(&png(halves(width, height, RED, BLUE)), &rules);
        assert_eq!(fitted.is_ok(), taken, "{width} x {height}");
        if let Err(why) = fitted {
            assert!(why.contains("between 0.80:1 and 1.91:1") && why.contains(&format!("{width} x {height}")), "{why}");
        }
    }
    // The shape is that of the upright picture.
    let lying = photograph(halves(200, 100, RED, BLUE), 6);
    assert!(fit(&lying, &rules).is_err());
    assert!(fit(&photograph(halves(100, 180, RED, BLUE), 6), &rules).is_ok());
}

#[test]
fn a_moving_gif_goes_on_moving_or_is_refused() {
    let moving = gif(3, 600, 300);
    let fitted = fit(&moving, &ImageRules { max_edge: 200, ..RULES }).unwrap();
    assert_eq!((fitted.content_type, fitted.size), (MediaType::Gif, (200, 100)));
    let frames: Vec<_> = picture::frames(&fitted.bytes).unwrap().map(Result::unwrap).collect();
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[1].delay(), Delay::from_numer_denom_ms(120, 1));
    assert!(is_near(*frames[0].buffer().get_pixel(50, 50), RED) && is_near(*frames[1].buffer().get_pixel(50, 50), BLUE));
    let refused = fit(&moving, &ONLY_JPEG).unwrap_err();
    assert!(refused.contains("moves"), "{refused}");
}

#[test]
fn a_bomb_is_refused_before_a_pixel_of_it_is_decoded() {
    let mut bomb = png(halves(10, 10, RED, BLUE));
    // The header's width and height; its checksum follows.
    bomb[16..20].copy_from_slice(&20_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&20_000_u32.to_be_bytes());
    let crc = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    let why = fit(&bomb, &RULES).unwrap_err();
    assert!(why.contains("20000 x 20000"), "{why}");
    assert_eq!(picture::look(&bomb, MediaType::Png).unwrap_err(), why, "an upload of it is refused in the same words");
}

#[test]
fn half_a_file_is_refused() {
    for whole in [png(halves(300, 300, RED, BLUE)), gif(2, 300, 300)] {
        let half = &whole[..whole.len() / 2];
        let why = fit(half, &RULES).unwrap_err();
        assert!(why.contains("broken"), "{why}");
        assert!(picture::look(half, MediaType::of(half).unwrap()).is_err());
    }
    assert_eq!(picture::look(&gif(2, 30, 20), MediaType::Gif).unwrap().size, (30, 20));
}

#[test]
fn colours_keep_their_look_when_their_profile_goes() {
    let mut wide = Vec::new();
    {
        let mut encoder = PngEncoder::new(&mut wide);
        let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
        encoder.set_icc_profile(profile).unwrap();
        let pixels = DynamicImage::from(RgbaImage::from_pixel(20, 20, Rgba([200, 100, 100, 255]))).to_rgb8();
        encoder.write_image(&pixels, 20, 20, image::ExtendedColorType::Rgb8).unwrap();
    }
    let pixel = decoded(&fit(&wide, &RULES).unwrap()).get_pixel(10, 10).0;
    // The same colour needs more red in the narrower space.
    assert!(pixel[0] > 205 && pixel[1] < 98, "{pixel:?}");
}

/// The checksum of PNG's chunks (ISO/IEC 15948, annex D).
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
