use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// A message of the protocol: its type and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) ty: u16,
    pub(crate) body: Bytes,
}

impl Frame {
    pub(crate) fn new(ty: u16, message: &impl Message) -> Self {
        Self { ty, body: message.encode_to_vec().into() }
    }
}

/// Appends a frame.
pub(crate) fn encode(ty: u16, body: &[u8], to: &mut BytesMut) {
    to.reserve(8 + body.len());
    to.put_u16(ty);
    to.put_u16(0);
    // No entry of a journal comes near 4 GiB: the server takes 32 MiB at most, and a bundle's reader no more.
    to.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    to.put_slice(body);
}

/// Reads frames until the end; a piece of one at the end is left out, as a connection may break off.
pub(crate) fn parse(mut bytes: Bytes) -> Vec<Frame> {
    let mut frames = Vec::new();
    while bytes.remaining() >= 8 {
        let ty = bytes.get_u16();
        let _flags = bytes.get_u16();
        let length = bytes.get_u32() as usize;
        if bytes.remaining() < length {
            break;
        }
        frames.push(Frame { ty, body: bytes.split_to(length) });
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_back_and_a_torn_one_is_left_out() {
        let mut bytes = BytesMut::new();
        encode(0x0411, b"one", &mut bytes);
        encode(3, b"", &mut bytes);
        encode(0x0401, b"torn", &mut bytes);
        bytes.truncate(bytes.len() - 1);
        let frames = parse(bytes.freeze());
        assert_eq!(frames, [Frame { ty: 0x0411, body: Bytes::from_static(b"one") }, Frame { ty: 3, body: Bytes::new() }]);
    }
}
