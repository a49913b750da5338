//! Files that go with the request that publishes.

use reqwest::multipart::{Form, Part};

use super::MediaFile;
use crate::error::{ActivityError, ActivityResult};

/// A name for the file at `index`: platforms go by the ending.
pub(super) fn file_name(index: usize, content_type: &str) -> String {
    let ending = match content_type {
        "image/jpeg" => "jpg",
        "image/svg+xml" => "svg",
        "video/quicktime" => "mov",
        other => other.split_once('/').map_or("bin", |(_, ending)| ending),
    };
    format!("{index}.{ending}")
}

/// The form with each file under the field that `field` names.
pub(super) async fn with_files(mut form: Form, files: &[MediaFile], field: impl Fn(usize) -> String) -> ActivityResult<Form> {
    for (index, file) in files.iter().enumerate() {
        let part = Part::stream_with_length(file.read().await?, file.media.bytes).file_name(file_name(index, &file.media.content_type));
        let part = part.mime_str(&file.media.content_type).map_err(|_| ActivityError::rejected("a file has no usable media type"))?;
        form = form.part(field(index), part);
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_ends_as_its_type_does() {
        assert_eq!(file_name(0, "image/jpeg"), "0.jpg");
        assert_eq!(file_name(3, "image/png"), "3.png");
        assert_eq!(file_name(1, "video/quicktime"), "1.mov");
    }
}
